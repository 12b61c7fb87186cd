//! The picture that is shown at an instant of a source, also of a joined one: then by the same rule as its renditions have it
//! (`pipeline::joined`). At a constant rate each frame shows the picture that stands there to the nearest frame; the first
//! picture of a part stands from its start, the last one until its end.

use super::Ended;
use super::draw;
use super::scan::{Open, Scanner, Shown};
use crate::model::plan::VideoPlan;
use crate::model::time::scale_floor;
use crate::pipeline::control::Control;
use crate::pipeline::faults;
use crate::pipeline::joined::of_part;

/// A walk through the pictures of a source.
pub(super) enum Walk<'a> {
    /// Of one that is whole.
    Whole(Scanner<'a>),
    /// Of one that is joined.
    Parts(Parts<'a>),
}

/// A walk through part after part.
pub(super) struct Parts<'a> {
    open: Open<'a>,
    video: &'a VideoPlan,
    plans: &'a [VideoPlan],
    keys_only: bool,
    control: &'a Control,
    /// The part that is walked through.
    current: Option<(usize, Scanner<'a>)>,
}

/// Each part of a joined source as a source of its own, whose pictures keep their own times.
pub(super) fn plans(video: &VideoPlan) -> Vec<VideoPlan> {
    let plan = |part: &crate::model::joined::VideoPart| VideoPlan {
        stream: part.stream,
        time_base: part.time_base,
        origin: part.origin,
        in_point: part.in_point,
        end: part.end.map(|end| end - part.start),
        frame_ticks: None,
        prepare: part.prepare.clone(),
        parts: Vec::new(),
        ..video.clone()
    };
    video.parts.iter().map(plan).collect()
}

impl<'a> Walk<'a> {
    pub(super) const fn parts(
        open: Open<'a>,
        video: &'a VideoPlan,
        plans: &'a [VideoPlan],
        keys_only: bool,
        control: &'a Control,
    ) -> Self {
        Self::Parts(Parts { open, video, plans, keys_only, control, current: None })
    }

    /// As [`Scanner::at`].
    pub(super) fn at(&mut self, us: i64) -> Result<Option<Shown>, Ended> {
        match self {
            Self::Whole(scanner) => {
                let own = |shown: &Shown| Ok(Shown { frame: shown.frame.reference()?, ticks: shown.ticks });
                Ok(scanner.at(us)?.map(own).transpose().map_err(faults::internal)?)
            }
            Self::Parts(parts) => parts.at(us),
        }
    }

    /// As [`Scanner::end_us`].
    pub(super) fn end_us(&self) -> Option<i64> {
        match self {
            Self::Whole(scanner) => scanner.end_us(),
            Self::Parts(parts) => parts.end_us(),
        }
    }
}

impl Parts<'_> {
    fn at(&mut self, us: i64) -> Result<Option<Shown>, Ended> {
        let ticks = scale_floor(us, i64::from(self.video.timescale), 1_000_000);
        let number = self.video.parts.iter().rposition(|part| part.start <= ticks).unwrap_or(0);
        self.find(number, ticks).map_err(|ended| match ended {
            Ended::All(problem) => Ended::All(of_part(number, problem)),
            other => other,
        })
    }

    fn find(&mut self, number: usize, ticks: i64) -> Result<Option<Shown>, Ended> {
        let part = &self.video.parts[number];
        if part.end.is_some_and(|end| ticks >= end) {
            return Ok(None);
        }
        if self.current.as_ref().is_none_or(|(current, _)| *current != number) {
            let open = (self.open, part.input);
            let scanner = Scanner::start(open, &self.plans[number], self.keys_only, self.control)?;
            self.current = Some((number, scanner));
        }
        let until = self.shown_until(ticks - part.start);
        let Some((_, scanner)) = &mut self.current else { return Ok(None) };
        let found = scanner.at_ticks(until)?.is_some();
        // The last picture of a part stands until its end.
        let Some(shown) = scanner.current().filter(|_| found || part.end.is_some()) else { return Ok(None) };
        let frame = match scanner.is_prepared() {
            true => shown.frame.reference().map_err(faults::internal)?,
            false => draw::filtered(&shown.frame, &part.prepare)?,
        };
        let begins = self.video.timeline().snap(shown.ticks.max(0));
        Ok(Some(Shown { frame, ticks: part.start.saturating_add(begins) }))
    }

    /// The last instant of a part at which a picture can begin that is shown at another one: half a frame behind that
    /// frame's beginning it is shown by the next frame.
    fn shown_until(&self, ticks: i64) -> i64 {
        self.video.frame_ticks.map(i64::from).map_or(ticks, |frame| ticks.div_euclid(frame) * frame + (frame - 1) / 2)
    }

    fn end_us(&self) -> Option<i64> {
        let (number, scanner) = self.current.as_ref()?;
        let part = self.video.parts.get(*number).filter(|part| part.end.is_none())?;
        let end = part.start.saturating_add(self.video.timeline().snap(scanner.end()?));
        Some(scale_floor(end, 1_000_000, i64::from(self.video.timescale)))
    }
}
