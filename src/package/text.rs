//! Making text of unknown origin safe inside manifests: titles, language codes, names in URIs.

/// Characters of a title that a manifest carries; players show one line.
const TITLE_CHARS_MAX: usize = 200;

/// A title in one line: control characters and line separators become spaces, characters that XML 1.0 §2.2 cannot hold go,
/// runs of spaces become one, and what is too long is cut.
pub(super) fn one_line(text: &str) -> String {
    let mut line = String::new();
    let allowed = text.chars().filter(|c| !matches!(c, '\u{fffe}' | '\u{ffff}' | '\u{feff}'));
    for c in allowed.take(TITLE_CHARS_MAX) {
        let space = c.is_control() || c.is_whitespace() || matches!(c, '\u{2028}' | '\u{2029}');
        match (space, line.ends_with(' ') || line.is_empty()) {
            (true, true) => {}
            (true, false) => line.push(' '),
            (false, _) => line.push(c),
        }
    }
    line.truncate(line.trim_end().len());
    line
}

/// A quoted string of an HLS attribute list, which can hold neither line breaks nor double quotes and has no escapes
/// (RFC 8216 §4.2).
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", one_line(text).replace('"', "'"))
}

/// A path segment with everything but the unreserved characters percent-encoded (RFC 3986 §2.1, §2.3).
pub(super) fn uri(segment: &str) -> String {
    let mut text = String::with_capacity(segment.len());
    for byte in segment.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => text.push(char::from(byte)),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

/// A language tag for a manifest, or `None` where nothing is known. RFC 5646 §2.2.1 asks for the shortest code, and players
/// match on it, while MP4 and Matroska carry the three letters of ISO 639-2.
pub(super) fn language_tag(code: &str) -> Option<String> {
    let (primary, rest) = code.split_once('-').map_or((code, ""), |(primary, rest)| (primary, rest));
    let subtag = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let well_formed = (2..=8).contains(&primary.len())
        && primary.bytes().all(|byte| byte.is_ascii_alphabetic())
        && (rest.is_empty() && !code.ends_with('-') || rest.split('-').all(subtag));
    let primary = primary.to_ascii_lowercase();
    // Undetermined, and no linguistic content: the latter is worth telling, the former is not.
    if !well_formed || primary == "und" {
        return None;
    }
    let short = TWO_LETTER_CODES.split_ascii_whitespace().find_map(|row| {
        let (short, long) = row.split_once('=')?;
        long.split('/').any(|long| long == primary).then(|| short.to_owned())
    });
    let primary = short.unwrap_or(primary);
    Some(if rest.is_empty() { primary } else { format!("{primary}-{rest}") })
}

/// The terminological code of ISO 639-2 for a language; `None` where nothing is known, or it has none of three letters.
pub(super) fn three_letters(code: &str) -> Option<String> {
    let tag = language_tag(code)?;
    let primary = tag.split('-').next().unwrap_or_default();
    let long = TWO_LETTER_CODES.split_ascii_whitespace().find_map(|row| {
        let (short, long) = row.split_once('=')?;
        (short == primary).then(|| long.split('/').next().unwrap_or(long).to_owned())
    });
    long.or_else(|| (primary.len() == 3).then(|| primary.to_owned()))
}

/// ISO 639-1 codes with their ISO 639-2 equivalents, terminological and, where it differs, bibliographic.
const TWO_LETTER_CODES: &str = "\
    aa=aar ab=abk ae=ave af=afr ak=aka am=amh an=arg ar=ara as=asm av=ava ay=aym az=aze ba=bak be=bel bg=bul bi=bis \
    bm=bam bn=ben bo=bod/tib br=bre bs=bos ca=cat ce=che ch=cha co=cos cr=cre cs=ces/cze cu=chu cv=chv cy=cym/wel \
    da=dan de=deu/ger dv=div dz=dzo ee=ewe el=ell/gre en=eng eo=epo es=spa et=est eu=eus/baq fa=fas/per ff=ful fi=fin \
    fj=fij fo=fao fr=fra/fre fy=fry ga=gle gd=gla gl=glg gn=grn gu=guj gv=glv ha=hau he=heb hi=hin ho=hmo hr=hrv \
    ht=hat hu=hun hy=hye/arm hz=her ia=ina id=ind ie=ile ig=ibo ii=iii ik=ipk io=ido is=isl/ice it=ita iu=iku ja=jpn \
    jv=jav ka=kat/geo kg=kon ki=kik kj=kua kk=kaz kl=kal km=khm kn=kan ko=kor kr=kau ks=kas ku=kur kv=kom kw=cor \
    ky=kir la=lat lb=ltz lg=lug li=lim ln=lin lo=lao lt=lit lu=lub lv=lav mg=mlg mh=mah mi=mri/mao mk=mkd/mac ml=mal \
    mn=mon mr=mar ms=msa/may mt=mlt my=mya/bur na=nau nb=nob nd=nde ne=nep ng=ndo nl=nld/dut nn=nno no=nor nr=nbl \
    nv=nav ny=nya oc=oci oj=oji om=orm or=ori os=oss pa=pan pi=pli pl=pol ps=pus pt=por qu=que rm=roh rn=run \
    ro=ron/rum ru=rus rw=kin sa=san sc=srd sd=snd se=sme sg=sag si=sin sk=slk/slo sl=slv sm=smo sn=sna so=som \
    sq=sqi/alb sr=srp ss=ssw st=sot su=sun sv=swe sw=swa ta=tam te=tel tg=tgk th=tha ti=tir tk=tuk tl=tgl tn=tsn \
    to=ton tr=tur ts=tso tt=tat tw=twi ty=tah ug=uig uk=ukr ur=urd uz=uzb ve=ven vi=vie vo=vol wa=wln wo=wol xh=xho \
    yi=yid yo=yor za=zha zh=zho/chi zu=zul";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_stay_in_one_line_whatever_they_hold() {
        assert_eq!(quoted("Director's \"cut\"\r\n#EXT-X-ENDLIST\0\u{2028}x"), "\"Director's 'cut' #EXT-X-ENDLIST x\"");
        assert_eq!(one_line(" \t a \u{85}\u{ffff}\u{feff} b \u{7f}"), "a b");
        assert_eq!(one_line("Français 日本語 🎬"), "Français 日本語 🎬");
        assert_eq!(one_line(&"é".repeat(5000)).chars().count(), TITLE_CHARS_MAX);
        assert_eq!(one_line("\u{1}\u{2}"), "");
    }

    #[test]
    fn names_are_encoded_byte_by_byte() {
        assert_eq!(uri("640x360-h264_1.m4s~"), "640x360-h264_1.m4s~");
        assert_eq!(uri("a b/%é\"?#:"), "a%20b%2F%25%C3%A9%22%3F%23%3A");
    }

    #[test]
    fn language_codes_become_the_shortest_tag() {
        for (code, tag) in
            [("eng", "en"), ("ger", "de"), ("deu", "de"), ("EN", "en"), ("pt-BR", "pt-BR"), ("gsw", "gsw")]
        {
            assert_eq!(language_tag(code).as_deref(), Some(tag));
        }
        assert_eq!(language_tag("eng-US").as_deref(), Some("en-US"));
        assert_eq!(language_tag("zxx").as_deref(), Some("zxx"));
        for code in ["", "und", "e", "e n", "en-", "-en", "en--US", "\"", "en\n", "deutschland", "1234"] {
            assert_eq!(language_tag(code), None, "{code}");
        }
    }

    #[test]
    fn every_row_of_the_table_is_two_letters_and_three() {
        let rows: Vec<_> = TWO_LETTER_CODES.split_ascii_whitespace().collect();
        assert_eq!(rows.len(), 183);
        for row in rows {
            let (short, long) = row.split_once('=').unwrap();
            assert!(short.len() == 2 && long.split('/').all(|code| code.len() == 3), "{row}");
        }
    }
}
