//! Codes of languages (RFC 5646, ISO 639).

/// A language tag for a manifest, or `None` where nothing is known. RFC 5646 §2.2.1 asks for the shortest code, and players
/// match on it, while MP4 and Matroska carry the three letters of ISO 639-2.
pub fn tag(code: &str) -> Option<String> {
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
pub fn three_letters(code: &str) -> Option<String> {
    let tag = tag(code)?;
    let primary = tag.split('-').next().unwrap_or_default();
    let long = TWO_LETTER_CODES.split_ascii_whitespace().find_map(|row| {
        let (short, long) = row.split_once('=')?;
        (short == primary).then(|| long.split('/').next().unwrap_or(long).to_owned())
    });
    long.or_else(|| (primary.len() == 3).then(|| primary.to_owned()))
}

/// Whether two codes, where each is one, name the same language: `ger`, `deu` and `DE` do. What is no code is like nothing.
pub fn is_same(one: &str, other: &str) -> bool {
    let plain = |code| tag(code).map(|tag| tag.to_ascii_lowercase());
    plain(one).is_some_and(|tag| plain(other) == Some(tag))
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
    fn language_codes_become_the_shortest_tag() {
        for (code, shortest) in
            [("eng", "en"), ("ger", "de"), ("deu", "de"), ("EN", "en"), ("pt-BR", "pt-BR"), ("gsw", "gsw")]
        {
            assert_eq!(tag(code).as_deref(), Some(shortest));
        }
        assert_eq!(tag("eng-US").as_deref(), Some("en-US"));
        assert_eq!(tag("zxx").as_deref(), Some("zxx"));
        for code in ["", "und", "e", "e n", "en-", "-en", "en--US", "\"", "en\n", "deutschland", "1234"] {
            assert_eq!(tag(code), None, "{code}");
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

    #[test]
    fn one_language_has_several_codes() {
        assert!(is_same("ger", "deu") && is_same("DE", "ger") && is_same("pt-br", "por-BR") && is_same("gsw", "GSW"));
        assert!(!is_same("deu", "eng") && !is_same("pt", "pt-BR") && !is_same("und", "und") && !is_same("", ""));
    }
}
