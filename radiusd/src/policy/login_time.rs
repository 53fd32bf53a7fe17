//! Login-Time and Current-Time: hours of the week, as UUCP writes them, `Wk0900-1700,Sa`.

use jiff::tz::TimeZone;

const MINUTES_OF_DAY: usize = 24 * 60;
const MINUTES: usize = 7 * MINUTES_OF_DAY;
/// What follows is not read.
const LONGEST: usize = 127;

/// Those that stand for several days last.
const DAYS: [&[u8]; 10] = [b"su", b"mo", b"tu", b"we", b"th", b"fr", b"sa", b"wk", b"any", b"al"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Allowed {
    No,
    /// Until the end of the hours that hold this minute, counted from its start.
    Seconds(u32),
    /// At any time.
    Always,
}

/// Entries that cannot be read allow nothing.
pub(super) fn allowed(text: &[u8], now: i64, zone: &TimeZone) -> Allowed {
    let Ok(now) = jiff::Timestamp::from_second(now) else { return Allowed::No };
    let now = zone.to_datetime(now);
    let day = now.weekday().to_sunday_zero_offset();
    let minute = usize::try_from(day).unwrap_or(0) * MINUTES_OF_DAY
        + usize::try_from(now.hour()).unwrap_or(0) * 60
        + usize::try_from(now.minute()).unwrap_or(0);
    let week = Week::read(text);
    let minutes = (0..MINUTES).map(|ahead| (minute + ahead) % MINUTES);
    match minutes.take_while(|minute| week.holds(*minute)).count() {
        0 => Allowed::No,
        MINUTES => Allowed::Always,
        minutes => Allowed::Seconds(u32::try_from(minutes * 60).unwrap_or(u32::MAX)),
    }
}

/// One bit a minute.
struct Week([u8; MINUTES / 8]);

impl Week {
    fn read(text: &[u8]) -> Week {
        let mut week = Week([0; MINUTES / 8]);
        let text = text.get(..LONGEST).unwrap_or(text);
        let text = text.split(|octet| *octet == 0).next().unwrap_or_default();
        for entry in text.split(|octet| matches!(octet, b',' | b'|')) {
            if !entry.is_empty() {
                week.entry(&entry.to_ascii_lowercase());
            }
        }
        week
    }

    /// Days, with or without `-` between them, and hours behind them.
    fn entry(&mut self, entry: &[u8]) {
        let digits = entry.iter().position(u8::is_ascii_digit).unwrap_or(entry.len());
        let (days, hours) = entry.split_at_checked(digits).unwrap_or_default();
        let mut days = if days.is_empty() { b"al" } else { days };
        while let Some(first) = day(&mut days) {
            let mut last = first;
            if let Some(rest) = days.strip_prefix(b"-") {
                days = rest;
                let Some(end) = day(&mut days) else { return };
                last = end;
            }
            let (first, last) = match first {
                7 => (1, 5),
                8.. => (0, 6),
                _ => (first, last),
            };
            let mut day = first;
            loop {
                self.hours(day, hours);
                if day == last {
                    break;
                }
                day = (day + 1) % 7;
                // The end of the range is no single day: it would never come.
                if last > 6 && day == first {
                    break;
                }
            }
        }
    }

    /// The last minute is included.
    fn hours(&mut self, day: usize, text: &[u8]) {
        let (first, last) = match text {
            [] => (0, MINUTES_OF_DAY - 1),
            // A single minute.
            [a, b, c, d] => (clock([a, b, c, d]), clock([a, b, c, d])),
            [a, b, c, d, b'-', e, f, g, h, ..] => (clock([a, b, c, d]), clock([e, f, g, h])),
            _ => return,
        };
        let mut minute = first;
        loop {
            let place = day * MINUTES_OF_DAY + minute;
            if let Some(octet) = self.0.get_mut(place / 8) {
                *octet |= 1 << (place % 8);
            }
            if minute == last {
                break;
            }
            minute = (minute + 1) % MINUTES_OF_DAY;
        }
    }

    fn holds(&self, minute: usize) -> bool {
        self.0.get(minute / 8).is_some_and(|octet| octet & (1 << (minute % 8)) != 0)
    }
}

/// Takes a day's name off.
fn day(text: &mut &[u8]) -> Option<usize> {
    let (number, name) = DAYS.iter().enumerate().find(|(_, name)| text.starts_with(name))?;
    *text = text.get(name.len()..)?;
    Some(number)
}

/// What is no digit counts as 0; 2400 and more is the last minute.
fn clock(digits: [&u8; 4]) -> usize {
    let [a, b, c, d] = digits.map(|digit| match digit {
        b'0'..=b'9' => usize::from(digit - b'0'),
        _ => 0,
    });
    (600 * a + 60 * b + 10 * c + d).min(MINUTES_OF_DAY - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_freeradius_measures() {
        // A Tuesday, 06:46:47.
        let now = "2026-11-24T06:46:47Z".parse::<jiff::Timestamp>().unwrap().as_second();
        for (text, left) in [
            ("Al", Allowed::Always),
            ("any", Allowed::Always),
            ("Never", Allowed::No),
            ("Al0646-0716", Allowed::Seconds(1860)),
            ("Al0716-0646", Allowed::Seconds(60)),
            ("Al0646-0646", Allowed::Seconds(60)),
            ("Wk0646-0716", Allowed::Seconds(1860)),
            ("Wk", Allowed::Seconds(321_240)),
            ("Su", Allowed::No),
            ("Mo-Fr", Allowed::Seconds(321_240)),
            ("Fr-Mo", Allowed::No),
            ("Tu0000-2400", Allowed::Seconds(62_040)),
            ("Al0000-2359", Allowed::Always),
            ("Al0000-2400", Allowed::Always),
            ("Tu", Allowed::Seconds(62_040)),
            ("wk0900-1700", Allowed::No),
            ("x", Allowed::No),
            ("", Allowed::No),
            ("Tu-", Allowed::No),
            ("Al0-2400", Allowed::No),
            ("Al00-24", Allowed::No),
            ("Al0000", Allowed::No),
            ("Al0646", Allowed::Seconds(60)),
            ("Tu0646,Tu0647", Allowed::Seconds(120)),
            ("Al9999-2", Allowed::No),
            ("Al0000-2400,Su", Allowed::Always),
            ("Mo,Tu", Allowed::Seconds(62_040)),
            ("Mo Tu", Allowed::No),
            ("Mo, Tu", Allowed::No),
            ("Mo-We0000-2359", Allowed::Seconds(148_440)),
            ("Tu0000-0700", Allowed::Seconds(900)),
            ("TuWe", Allowed::Seconds(148_440)),
            ("Al0500-0100", Allowed::Seconds(65_700)),
            ("Al0700-0630", Allowed::No),
            ("Never,Tu", Allowed::Seconds(62_040)),
            ("Mo|Tu|We|Th|Fr|Sa|Su", Allowed::Always),
            ("0600-0700", Allowed::Seconds(900)),
        ] {
            assert_eq!(allowed(text.as_bytes(), now, &TimeZone::UTC), left, "{text}");
        }
    }
}
