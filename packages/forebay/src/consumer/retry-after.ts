/**
 * `Retry-After` as a downstream sends it: a number of seconds or one of HTTP's three date forms (RFC 9110, 5.6.7, 10.2.3).
 *
 * What asks for no wait at all (0, a time that has passed) and what cannot be read is no request for quiet: then the
 * answer is an ordinary failed attempt, with its backoff, so that a downstream can't make us call it in a tight loop.
 */

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']

/** No header of a sane server is longer, and no pattern below is tried on a longer one. */
const LONGEST_VALUE = 64

/**
 * @param now Wall time, epoch milliseconds: a date is counted from it.
 * @param maxMs What an absurd wish is cut to.
 * @returns Milliseconds, above 0 and at most `maxMs`; undefined if no quiet was asked for.
 */
export function retryAfterMs(value: string | undefined, now: number, maxMs: number): number | undefined {
  const text = value?.trim()
  if (text === undefined || text.length > LONGEST_VALUE) return undefined
  const wait = /^\d+$/.test(text) ? Number(text) * 1_000 : waitUntil(text, now)
  return wait !== undefined && wait > 0 ? Math.min(wait, maxMs) : undefined
}

function waitUntil(date: string, now: number): number | undefined {
  const at = httpDate(date)
  return at === undefined ? undefined : at - now
}

interface DateParts {
  readonly day: string
  readonly month: string
  readonly year: string
  readonly time: string
}

const FORMS = [
  /** Sun, 06 Nov 1994 08:49:37 GMT */
  /^[a-z]{3}, (?<day>\d{2}) (?<month>[a-z]{3}) (?<year>\d{4}) (?<time>\d{2}:\d{2}:\d{2}) gmt$/i,
  /** Sunday, 06-Nov-94 08:49:37 GMT */
  /^[a-z]{6,9}, (?<day>\d{2})-(?<month>[a-z]{3})-(?<year>\d{2}) (?<time>\d{2}:\d{2}:\d{2}) gmt$/i,
  /** Sun Nov  6 08:49:37 1994 */
  /^[a-z]{3} (?<month>[a-z]{3}) (?<day>[ \d]\d) (?<time>\d{2}:\d{2}:\d{2}) (?<year>\d{4})$/i,
]

function httpDate(text: string): number | undefined {
  for (const form of FORMS) {
    const parts = form.exec(text)?.groups as DateParts | undefined
    if (parts) return epochMs(parts)
  }
  return undefined
}

function epochMs({ day, month, year, time }: DateParts): number | undefined {
  const monthIndex = MONTHS.indexOf(month.toLowerCase())
  if (monthIndex < 0) return undefined
  // A two-digit year is of this century: the form died out in the last one, and quiet lies in the future.
  const fullYear = year.length === 2 ? 2_000 + Number(year) : Number(year)
  const [hours = 0, minutes = 0, seconds = 0] = time.split(':').map(Number)
  return (
    ((daysSinceEpoch(fullYear, monthIndex + 1, Number(day)) * 24 + hours) * 60 + minutes) * 60_000 + seconds * 1_000
  )
}

/** Days from 1970-01-01 in the Gregorian calendar; a year begins in March here, so that the leap day is its last. */
function daysSinceEpoch(year: number, month: number, day: number): number {
  const marchYear = month > 2 ? year : year - 1
  const monthsSinceMarch = (month + 9) % 12
  const leapDays = Math.floor(marchYear / 4) - Math.floor(marchYear / 100) + Math.floor(marchYear / 400)
  return 365 * marchYear + leapDays + Math.floor((153 * monthsSinceMarch + 2) / 5) + day - 1 - 719_468
}
