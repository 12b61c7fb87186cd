//! Enumerations, value by value.

use crate::api::v1;
use crate::model::facts::{HdrKind, Scan};
use crate::model::job::FileRole;
use crate::model::request::{
    CaptionForm, Channels, Deinterlace, DynamicRange, FieldOrder, FieldRate, ImageFormat, JoinMono, Path,
};
use crate::model::request::{Position, SizeOf, Strength, ToneMap};
use crate::model::spec::{Fallback, IfExists, Priority, WebhookEvent};
use crate::model::state::{InputState, JobState, OutputState};
use crate::model::{AudioCodec, Fault, Packaging, SoundRole, Speed, VideoCodec};

/// A type of ours that is an enumeration in the API.
pub(in crate::api) trait Wire: Copy {
    /// The enumeration.
    type Proto: Copy + TryFrom<i32> + Into<i32>;
    /// Its value for this.
    fn proto(self) -> Self::Proto;
    /// What a value stands for; `None` for the one that says nothing.
    fn of(value: Self::Proto) -> Option<Self>;
}

macro_rules! wire {
    ($($type:ty as $proto:ty, but $none:ident { $($ours:ident = $theirs:ident),+ $(,)? })+) => { $(
        impl Wire for $type {
            type Proto = $proto;

            fn proto(self) -> $proto {
                match self { $(Self::$ours => <$proto>::$theirs),+ }
            }

            fn of(value: $proto) -> Option<Self> {
                match value { <$proto>::$none => None, $(<$proto>::$theirs => Some(Self::$ours)),+ }
            }
        }
    )+ };
}

wire! {
    VideoCodec as v1::VideoCodec, but Unspecified { H264 = H264, Hevc = Hevc, Av1 = Av1, Vp9 = Vp9 }
    AudioCodec as v1::AudioCodec, but Unspecified {
        Aac = Aac, Opus = Opus, Mp3 = Mp3, Ac3 = Ac3, Eac3 = Eac3,
    }
    SoundRole as v1::SoundRole, but Unspecified {
        Dub = Dub, Commentary = Commentary, EnhancedSpeech = EnhancedSpeech,
    }
    JoinMono as v1::JoinMono, but Unspecified {
        Auto = Auto, Stereo = Stereo, Surround51 = Surround51, Surround51Stereo = Surround51Stereo, Surround71 = Surround71,
    }
    Packaging as v1::Packaging, but Unspecified { Cmaf = Cmaf, Ts = Ts }
    Speed as v1::Speed, but Unspecified { Fast = Fast, Balanced = Balanced, Quality = Quality }
    Channels as v1::ChannelPolicy, but Unspecified { ByCodec = ByCodec, Stereo = Stereo, Keep = Keep }
    Strength as v1::picture_spec::Strength, but Unspecified { Light = Light, Medium = Medium, Strong = Strong }
    ToneMap as v1::picture_spec::ToneMap, but Unspecified {
        Hable = Hable, Mobius = Mobius, Reinhard = Reinhard, Clip = Clip,
    }
    DynamicRange as v1::picture_spec::DynamicRange, but Unspecified { Auto = Auto, Sdr = Sdr }
    CaptionForm as v1::CaptionForm, but Unspecified { Tracks = Tracks, Embedded = Embedded, Both = Both }
    Deinterlace as v1::picture_spec::Deinterlace, but Unspecified { Auto = Auto, Off = Off, Force = Force, InverseTelecine = InverseTelecine }
    FieldRate as v1::picture_spec::FieldRate, but Unspecified { Frame = Frame, Field = Field }
    FieldOrder as v1::picture_spec::FieldOrder, but Unspecified {
        Auto = Auto, TopFirst = TopFirst, BottomFirst = BottomFirst,
    }
    SizeOf as v1::watermark_spec::SizeOf, but Unspecified { Width = Width, Height = Height, Short = Short }
    Position as v1::watermark_spec::Position, but Unspecified {
        TopLeft = TopLeft, Top = Top, TopRight = TopRight, Left = Left, Center = Center, Right = Right,
        BottomLeft = BottomLeft, Bottom = Bottom, BottomRight = BottomRight,
    }
    Path as v1::watermark_spec::Motion, but Unspecified {
        LeftRight = LeftRight, TopBottom = TopBottom, Diagonal = Diagonal,
    }
    ImageFormat as v1::ImageFormat, but Unspecified { Jpeg = Jpeg, Png = Png, Webp = Webp }
    Priority as v1::Priority, but Unspecified { High = High, Normal = Normal, Batch = Batch }
    Fallback as v1::Fallback, but Unspecified { Any = Any, Cpu = Cpu, Never = Never }
    IfExists as v1::IfExists, but Unspecified { Fail = Fail, Replace = Replace, Skip = Skip }
    WebhookEvent as v1::webhook_spec::Event, but Unspecified {
        JobEnded = JobEnded, JobChanged = JobChanged, OutputEnded = OutputEnded, OutputPlayable = OutputPlayable,
    }
    Fault as v1::Fault, but Unspecified {
        Input = Input, Capacity = Capacity, Device = Device, Sink = Sink, Cancelled = Cancelled, Bug = Bug,
    }
    JobState as v1::JobState, but Unspecified {
        Queued = Queued, Preparing = Preparing, Running = Running, Stopping = Stopping, Succeeded = Succeeded,
        Partial = Partial, Failed = Failed, Stopped = Stopped,
    }
    InputState as v1::InputState, but Unspecified {
        Pending = Pending, Checking = Checking, Ready = Ready, Failed = Failed, Stopped = Stopped,
    }
    OutputState as v1::OutputState, but Unspecified {
        Pending = Pending, Running = Running, Finishing = Finishing, Stopping = Stopping, Ready = Ready,
        Skipped = Skipped, Failed = Failed, Stopped = Stopped,
    }
    FileRole as v1::output_file::Role, but Unspecified {
        HlsMaster = HlsMaster, DashManifest = DashManifest, ProgressiveMp4 = ProgressiveMp4, Report = Report,
        StillsIndex = StillsIndex, SpritesIndex = SpritesIndex,
    }
    Scan as v1::video_facts::Scan, but Unspecified {
        Progressive = Progressive, TopFirst = TopFirst, BottomFirst = BottomFirst,
    }
    HdrKind as v1::video_facts::Hdr, but Unspecified { Pq = Pq, Hlg = Hlg }
}
