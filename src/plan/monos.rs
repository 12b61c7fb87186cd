//! Mono tracks of recorders and broadcast files put together by their order in the file: 5.1 as SMPTE ST 320 and ITU-R BR.1384
//! have it on eight tracks (left, right, centre, low frequencies, left and right surround, then left and right of a stereo
//! mix), 7.1 as SMPTE ST 2067-8 has it (the same four, left and right side, left and right rear).

use super::chosen::Chosen;
use super::source::Source;
use crate::model::Problem;
use crate::model::request::JoinMono;

/// Places of mono tracks in the order of our layouts, which have left and right back before left and right side.
const STEREO: &[usize] = &[0, 1];
const SURROUND: &[usize] = &[0, 1, 2, 3, 4, 5];
const SURROUND_STEREO: &[usize] = &[6, 7];
const WIDE: &[usize] = &[0, 1, 2, 3, 6, 7, 4, 5];

/// All sound of each source, its mono tracks put together; tracks with more channels come behind those, as they are.
///
/// # Errors
/// `sound.join` about a source whose mono tracks are not as many as the layout takes.
pub(super) fn together<'a, 's>(
    sources: &[&'s Source<'a>],
    asked: JoinMono,
) -> Result<Vec<Chosen<'a, 's>>, Vec<Problem>> {
    let (mut all, mut problems) = (Vec::new(), Vec::new());
    for source in sources {
        match of_one(source, asked) {
            Ok(made) => all.extend(made),
            Err(message) => problems.push(Problem::input("sound.join", message).at("join_mono").at("sound")),
        }
    }
    if problems.is_empty() { Ok(all) } else { Err(problems) }
}

fn of_one<'a, 's>(source: &'s Source<'a>, asked: JoinMono) -> Result<Vec<Chosen<'a, 's>>, String> {
    if source.joined.is_some() {
        let message = "mono tracks of a source that is itself joined of others cannot be put together: put those of its \
                       parts together in a job of their own";
        return Err(message.to_owned());
    }
    let (monos, others): (Vec<usize>, Vec<usize>) =
        (0..source.sound.len()).partition(|place| source.sound[*place].1.channels == 1);
    let layouts: &[&[usize]] = match (asked, monos.len()) {
        (JoinMono::Auto | JoinMono::Stereo, 2) => &[STEREO],
        (JoinMono::Auto | JoinMono::Surround51, 6) => &[SURROUND],
        (JoinMono::Auto | JoinMono::Surround51Stereo, 8) => &[SURROUND, SURROUND_STEREO],
        (JoinMono::Surround71, 8) => &[WIDE],
        (_, count) => {
            let wanted = match asked {
                JoinMono::Auto => "2, 6 or 8",
                JoinMono::Stereo => "2",
                JoinMono::Surround51 => "6",
                JoinMono::Surround51Stereo | JoinMono::Surround71 => "8",
            };
            return Err(format!(
                "the source has {count} mono tracks, and {} is put together of {wanted}: name the channels of each track \
                 instead",
                asked.name()
            ));
        }
    };
    let track = |layout: &&[usize]| {
        let join: Vec<(usize, u32)> = layout.iter().map(|nth| (monos[*nth], 0)).collect();
        Chosen { source, place: join[0].0, join, told: None }
    };
    let whole = others.into_iter().map(|place| Chosen { source, place, join: Vec::new(), told: None });
    Ok(layouts.iter().map(track).chain(whole).collect())
}
