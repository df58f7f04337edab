/**
 * Fair order: which of many lines is served next, so that each gets its share by weight and none can hold up another.
 * Start-time fair queueing, with a virtual time that also follows the work that is done:
 *
 *     tag   = max(V, F)                          when a line opens (has something to grant); F, its finish tag, is 0 at first
 *     next  = the open line of the least score   score = tag - H x priority of its first task; ties: who got its tag first
 *     F     = tag + c / w                        after a grant of cost c to a line of weight w; the tag with which it goes on
 *     V     = max(v, min(v + c / W, F))          v = max(V, tag - H x max(0, priority)), W = the weights of all open lines
 *     V     = the greatest F                     when no line is open any more
 *
 * Without the step c / W, lines that come, take one task and go would all enter at the same V, and one that has had its first
 * task would wait for as long as they come. With it V moves as fast as the work that each line is entitled to.
 *
 *     Laws. One unit of cost: c, the least cost, C, the greatest c / w; D, the spread of priorities with 0 among them;
 *     W, the greatest sum of open weights; n, the number of open lines.
 *     share     of two lines that stay open from the same V on, over every span:
 *                 |served_i / w_i - served_j / w_j| <= C_i + C_j + 2 H D; equal lines, one priority: they take turns
 *     newcomer  a line that opens is served after at most n + W (2 H D + C) / c grants;
 *                 equal costs, weights and priorities: after at most n
 *     no one    waits for ever: an open line is served after at most n + W (6 H D + 5 C) / c grants, whatever opens meanwhile
 *     lead      F <= V + H D + C: what an urgent line takes ahead of its turn it has taken once, and does not get again
 *     memory    a closed line with F <= V is the same as one that was never there, so it can be forgotten: those that can't
 *                 are at most W (3 H D + 4 C) / c, and none when nothing is queued
 *
 * Regimes: one line (V follows its tag, nothing is compared); a standing backlog of several (turns by weight); lines that come
 * and go (each enters at V); rest (no line is open). Beyond 2^53 units V is too coarse for small charges: then ties, and so
 * turns without weights. Source: Goyal, Vin and Cheng, "Start-time Fair Queueing", SIGCOMM 1996; V's step is that of WF2Q+
 * (Bennett and Zhang, 1997). Units: cost over weight.
 */

/** So much a step of priority is worth among lines: with tasks of cost 1 and weight 1, ten tasks ahead of one's turn. */
export const HEAD_START = 10

/** What all lines of a queue have in common; changed in place. */
export interface FairTime {
  virtual: number
  /** The greatest finish tag of all. */
  greatest: number
  openLines: number
  openWeight: number
  /** Counts tags that were given: who got its own first goes first. */
  entries: number
}

/** A line's place in the order; changed in place. */
export interface FairLine {
  weight: number
  /** Of an open line: the tag of its next grant. */
  finish: number
  score: number
  entered: number
}

export function beginning(): FairTime {
  return { virtual: 0, greatest: 0, openLines: 0, openWeight: 0, entries: 0 }
}

/** Which of two open lines is served first. */
export function comesBefore(a: FairLine, b: FairLine): boolean {
  return a.score < b.score || (a.score === b.score && a.entered < b.entered)
}

/** The line has something to grant from now on. */
export function openLine(time: FairTime, line: FairLine, priority: number): void {
  line.finish = Math.max(time.virtual, line.finish)
  line.entered = ++time.entries
  time.openLines++
  time.openWeight += line.weight
  placeLine(line, priority)
}

/** The priority of an open line's first task is this one. */
export function placeLine(line: FairLine, priority: number): void {
  line.score = line.finish - HEAD_START * priority
}

/** The line has nothing to grant any more, or may not for now. */
export function closeLine(time: FairTime, line: FairLine): void {
  time.openLines--
  time.openWeight -= line.weight
  if (time.openLines > 0) return
  // What floating-point sums have left over goes here.
  time.openWeight = 0
  time.virtual = time.greatest
}

/** Books a grant to the open line that comes first. It is to be placed or closed next. */
export function grantFrom(time: FairTime, line: FairLine, cost: number, priority: number): void {
  const tag = line.finish
  line.finish = tag + cost / line.weight
  line.entered = ++time.entries
  time.greatest = Math.max(time.greatest, line.finish)
  const reached = Math.max(time.virtual, tag - HEAD_START * Math.max(0, priority))
  const share = cost / Math.max(time.openWeight, line.weight)
  time.virtual = Math.max(reached, Math.min(reached + share, line.finish))
}

/** Changes the weight by which it is served from its next grant on. */
export function reweighLine(time: FairTime, line: FairLine, weight: number, isOpen: boolean): void {
  if (isOpen) time.openWeight += weight - line.weight
  line.weight = weight
}

/** Whether a closed line can be forgotten, because it would open with the same tag as one that was never there. */
export function isForgettable(time: FairTime, line: FairLine): boolean {
  return line.finish <= time.virtual
}

/** Where a task that might come would stand. */
export interface ExpectedPlace {
  /** At which it will be served. */
  readonly score: number
  /** Its line as it is now; a closed one as it would open. */
  readonly line: Pick<FairLine, 'score' | 'entered'>
}

/** Where the task would stand behind `within` tasks of its line, each of the cost that is usual there. */
export function expectedPlace(
  time: FairTime,
  line: FairLine & { readonly cost: number },
  isOpen: boolean,
  task: { readonly priority: number; readonly within: number },
): ExpectedPlace {
  const tag = isOpen ? line.finish : Math.max(time.virtual, line.finish)
  const head = HEAD_START * task.priority
  const score = tag + (task.within * line.cost) / line.weight - head
  return { score, line: isOpen ? line : { score: tag - head, entered: Number.POSITIVE_INFINITY } }
}

/**
 * How many grants of another open line go before that place, if its tasks are alike and nothing else comes. Where costs and
 * priorities are equal it is exact, but for ties that rounding decides.
 */
export function grantsBefore(
  place: ExpectedPlace,
  other: FairLine & { readonly cost: number; readonly ready: number },
): number {
  const room = place.score - other.score
  if (room < 0) return 0
  const charge = other.cost / other.weight
  const grants = Math.ceil(room / charge)
  // On a tie goes first who has come to that tag first: who is ahead now, or who has had its tag longer.
  const isTie = grants * charge === room
  const leads =
    other.score > place.line.score || (other.score === place.line.score && other.entered < place.line.entered)
  return Math.min(other.ready, isTie && leads ? grants + 1 : grants)
}
