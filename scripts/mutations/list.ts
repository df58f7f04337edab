/**
 * Mutations of every file in flow/: each makes some test beside the file fail. `from` is a piece of the source that occurs in it once.
 * A new file of flow/ needs some as well.
 */

export interface Mutation {
  /** Within packages/forebay/src/flow. */
  readonly file: string
  readonly from: string
  readonly to: string
}

/** The tests that guard a file, where they are not the ones of its own name. */
export const TESTS: Readonly<Record<string, readonly string[]>> = {
  'aimd-limit.ts': ['flow/limits.test.ts'],
  'ramp.ts': ['flow/pacer.test.ts'],
  'adaptive-limit.ts': ['flow/limits.test.ts', 'consumer/concurrency.test.ts'],
  'shared-steps.ts': ['consumer/shared-permits.test.ts', 'consumer/slots.test.ts'],
}

/** Types alone: nothing to mutate. */
export const WITHOUT_CODE: readonly string[] = ['concurrency-limit.ts']

const of = (file: string, ...pairs: readonly (readonly [from: string, to: string])[]): Mutation[] =>
  pairs.map(([from, to]) => ({ file, from, to }))

export const MUTATIONS: readonly Mutation[] = [
  ...of(
    'pacer.ts',
    ['Math.max(this.#tat, now - toleranceMs)', 'Math.max(this.#tat, now + toleranceMs)'],
    ['Math.max(this.#tat, now - toleranceMs)', 'Math.min(this.#tat, now - toleranceMs)'],
    ['return this.#tat - this.#burstMs', 'return this.#tat + this.#burstMs'],
    ['if (now < this.nextAt)', 'if (now < this.nextAt - 50)'],
    ['now - this.#tat > IDLE_MS', 'now - this.#tat > 10 * IDLE_MS'],
    ['this.#after(from, cost * this.#intervalMs)', 'this.#after(from, this.#intervalMs)'],
    ['this.#tat -= cost * this.#intervalMs', 'this.#tat += cost * this.#intervalMs'],
    ['Math.floor((until - first) / intervalMs) + 1', 'Math.floor((until - first) / intervalMs)'],
    ['if (until <= this.nextAt) return', ''],
    ['this.#tat = until + this.#burstMs', 'this.#tat = until'],
    ['this.#tat += scaled - left', 'this.#tat += left - scaled'],
    ['held ? Number.POSITIVE_INFINITY : this.#lastMs', 'Number.POSITIVE_INFINITY'],
    ['this.#fresh = true\n  }', '}'],
  ),
  ...of(
    'ramp.ts',
    ['const START_SHARE = 0.1', 'const START_SHARE = 0.9'],
    ['flow(sinceMs, rampMs) + flowMs', 'flow(sinceMs, rampMs) - flowMs'],
    ['((1 + START_SHARE) * rampMs) / 2', '((1 - START_SHARE) * rampMs) / 2'],
    ['rampMs + (flowed - whole)', 'rampMs - (flowed - whole)'],
    ['4 * half * flowed', '2 * half * flowed'],
  ),
  ...of(
    'flow-limits.ts',
    ['nextAt = Math.max(nextAt, pacer.nextAt)', 'nextAt = Math.min(nextAt, pacer.nextAt)'],
    ['if (slot > until) break', 'if (slot >= until - 10) break'],
    ['pacer.take(slot, this.#amount(index, cost), 0)', 'pacer.take(slot, this.#amount(index, cost))'],
    ["counts === 'cost') pacer.charge(cost, now)", "counts === 'tasks') pacer.charge(cost, now)"],
    ["counts === 'cost' ? cost : 1\n  }", "counts === 'tasks' ? cost : 1\n  }"],
    ['starts = Math.min(starts, pacer.startsUntil', 'starts = Math.max(0, pacer.startsUntil'],
    ['if (heldUntil > now) pacer.hold(heldUntil)', ''],
    ['Math.min(...perSecond)) / 1_000) + 1', 'Math.max(...perSecond)) / 1_000) + 1'],
  ),
  ...of(
    'shared-flow.ts',
    ['if (step.charge > 0) limits.charge(step.charge, now)', ''],
    ['now + step.leadMs, now + step.horizonMs', 'now, now + step.horizonMs + 5'],
    ['Math.max(limits.nextAt, now), mark', 'Math.min(limits.nextAt, now), mark'],
    ['flow.mark !== step.mark', 'false'],
    ['pacer.tat >= until ? pacer', 'pacer.tat < until ? pacer'],
    ['mark: flow.mark + 1 }, true]', 'mark: flow.mark }, true]'],
  ),
  ...of(
    'shared-slots.ts',
    ['until > now)\n', 'until >= now)\n'],
    ['limit - others.reduce', 'limit + others.reduce'],
    ['Math.min(want, fair, left)', 'Math.min(want, fair)'],
    ['Math.min(want, fair, left)', 'Math.min(want, left)'],
    ['const held = Math.max(using, allowed)', 'const held = allowed'],
    ['until: now + leaseMs', 'until: now - leaseMs'],
    ['if (want > level) return level', 'if (want < level) return level'],
    ['left -= want', 'left += want'],
  ),
  ...of(
    'shared-steps.ts',
    ['cell === undefined ? undefined : JSON.parse(cell)', 'undefined'],
    ['JSON.stringify(next)', 'JSON.stringify({ mark: 0 })'],
    [
      "case 'hold':\n      return hold(state as SharedFlow | undefined, step, now)",
      "case 'hold':\n      return [state ?? { mark: 0 }, true]",
    ],
  ),
  ...of(
    'backoff.ts',
    ['Math.min(capMs, baseMs', 'Math.max(capMs, baseMs'],
    ['Math.max(retry, 1) - 1', 'Math.max(retry, 1)'],
    ['chance * ceiling', 'ceiling'],
  ),
  ...of(
    'drain-meter.ts',
    ['return this.#spanMs === 0 ? undefined', 'return this.#spanMs !== 0 ? undefined'],
    ['this.#left = this.#left * kept + left', 'this.#left = this.#left * kept - left'],
    ['this.#spanMs = this.#spanMs * kept + dt', 'this.#spanMs = this.#spanMs + dt'],
    ['if (!backlogged || !wasBacklogged) {', 'if (!backlogged && !wasBacklogged) {'],
    ['|| now - at > LONGEST_GAP_MS', ''],
    ['Math.max(0, finished - before)', 'finished - before'],
  ),
  ...of(
    'breaker.ts',
    ['now >= this.#openUntil', 'now < this.#openUntil'],
    ["return this.#state === 'open' ? 0", "return this.#state === 'open' ? 1"],
    ['this.#settings.probes - this.#probesStarted\n', 'this.#settings.probes + 1 - this.#probesStarted\n'],
    ['if (call.era !== this.#era) return', ''],
    ['if (calls < minCalls) return', 'if (calls <= minCalls) return'],
    ["sum('failed') / calls >= failureRate", "sum('failed') / calls > failureRate"],
    ['tenth.index > index - TENTHS', 'tenth.index > index - 2 * TENTHS'],
    ['durationMs >= this.#settings.slowMs', 'durationMs > this.#settings.slowMs'],
    ['++this.#probesGood === this.#settings.probes', '++this.#probesGood >= 1'],
    ['Math.min(maxOpenMs, openMs', 'Math.max(maxOpenMs, openMs'],
  ),
  ...of(
    'waiting-line.ts',
    ['1_000 / (SAFETY * drainPerSecond)', '1_000 / (2 * drainPerSecond)'],
    ['candidate.toldAt <= now + EARLY_MS', 'candidate.toldAt <= now + 60 * EARLY_MS'],
    ['Math.floor(bound / 2)', 'bound'],
    ['place.toldAt + GRACE_MS >= now', 'place.toldAt + 50 * GRACE_MS >= now'],
    ['Math.ceil(ms / 1_000)', 'Math.floor(ms / 1_000)'],
    ['place.redeemed = true', 'place.redeemed = false'],
  ),
  ...of(
    'fair-order.ts',
    ['line.finish = Math.max(time.virtual, line.finish)', 'line.finish = time.virtual'],
    ['line.finish = tag + cost / line.weight', 'line.finish = tag + cost * line.weight'],
    ['line.score = line.finish - HEAD_START * priority', 'line.score = line.finish + HEAD_START * priority'],
    ['a.score < b.score ||', 'a.score > b.score ||'],
    ['time.virtual = time.greatest\n', ''],
    ['return line.finish <= time.virtual', 'return line.finish < time.virtual'],
    ['if (room < 0) return 0', 'if (room < 0) return 1'],
    ['Math.min(other.ready, isTie', 'Math.max(other.ready, isTie'],
  ),
  ...of(
    'key-limits.ts',
    ['inFlight >= concurrency', 'inFlight > concurrency'],
    ['perSecond === undefined ? 0 : nextAt', 'perSecond === undefined ? nextAt : 0'],
    ['now <= nextAt + TOLERANCE_MS ? nextAt : now', 'now'],
    ['Math.min(nextAt, now + 1_000 / perSecond)', 'Math.max(nextAt, now + 1_000 / perSecond)'],
    ['a.perSecond === b.perSecond', 'true'],
  ),
  ...of(
    'start-estimate.ts',
    ['look.ahead + since.behind + since.own', 'look.ahead + since.own'],
    ['(perSecond * since.ageMs) / 1_000)', '(perSecond * since.ageMs) / 2_000)'],
    ['Math.min(1, look.ahead / look.ready)', '1'],
    ['look.inFlight >= drain.inFlight', 'look.inFlight > drain.inFlight'],
    ['Math.max(delayMs, waitMs)', 'Math.min(delayMs, waitMs)'],
    ['waitMs / (1 - share)', 'waitMs * (1 - share)'],
  ),
  ...of(
    'aimd-limit.ts',
    ['const BACKOFF = 0.9', 'const BACKOFF = 1.1'],
    ['inFlight < USED_SHARE * this.limit', 'inFlight < 0'],
    ['startedAt < this.#decreasedAt', 'startedAt > this.#decreasedAt'],
    ['this.#exact + 1 / this.#exact', 'this.#exact - 1 / this.#exact'],
    ['Math.min(Math.max(exact, this.#bounds.min), this.#bounds.max)', 'exact'],
  ),
  ...of(
    'arrival-rates.ts',
    ['this.#countOf(kind, now) + 1', 'this.#countOf(kind, now) + 2'],
    ['if (other > kind)', 'if (other >= kind)'],
    ['(1_000 * count) / TIME_CONSTANT_MS', '(1_000 * count) * TIME_CONSTANT_MS'],
    ['Math.exp((known.at - now)', 'Math.exp((now - known.at)'],
    ['this.#kinds.size > MOST_KINDS', 'this.#kinds.size > 10 * MOST_KINDS'],
  ),
  ...of(
    'adaptive-limit.ts',
    ['Math.max(DOWN, 1 - errors)', 'Math.max(DOWN, 1 + errors)'],
    ['Math.min(UP * limit, Math.max(DOWN * limit, aim))', 'aim * 2'],
    ['Math.floor(this.#within(this.#probe ?? this.#exact))', 'Math.floor(this.#probe ?? this.#exact) + 1'],
  ),
  ...of(
    'quota-pace.ts',
    ['fromMs > until ? 0', 'fromMs > until ? 1'],
    ['this.#nextStartAt = at + Math.max(quietMs, FIRST_TRIAL_MS)', 'this.#nextStartAt = at'],
    ['Math.max(this.#nextStartAt, at - LATE_MS) + gapMs', 'Math.max(this.#nextStartAt, at - LATE_MS) - gapMs'],
  ),
  ...of(
    'cohort.ts',
    [
      'startedAt > this.#began && startedAt <= this.#closedAt',
      'startedAt >= this.#began && startedAt <= this.#closedAt',
    ],
    ['++this.#started >= this.#wanted', 'this.#started++ >= this.#wanted'],
    ["result === 'failed' ? leastFailedMs : 0", '0'],
    ['this.#ended < COUNTED_SHARE * this.#started', 'this.#ended < this.#started / 4'],
    ['this.#started--', 'this.#started++'],
  ),
  ...of(
    'hypotheses.ts',
    ['Math.max(greatest, one)', 'Math.min(greatest, one)'],
    ['weight / sum', 'weight'],
    ['if (sum + weight >= share)', 'if (sum + weight >= 2 * share)'],
    ['toNext * coming', 'toNext * toNext * coming'],
    ['stays * own', 'own'],
  ),
  ...of(
    'knee-filter.ts',
    ['off ** 2) / (variance + noise)', 'off ** 2) / (variance - noise)'],
    ['(logLoad - (this.#logKnee[cell] as number))', '(logLoad + (this.#logKnee[cell] as number))'],
    ['this.#seenAt = at', ''],
    ['Math.exp(CELL * this.#knees.quantile(probability))', 'Math.exp(-CELL * this.#knees.quantile(probability))'],
  ),
  ...of(
    'start-rate.ts',
    ['this.#starts < 2 * this.#newer.starts', 'this.#starts > 2 * this.#newer.starts'],
    ['this.#starts - mark.starts + 1', 'this.#starts + 1'],
    ['Math.max(1, now - mark.at)', 'Math.max(100, now - mark.at)'],
  ),
  ...of(
    'effective-rate.ts',
    ["counts === 'tasks' ? perSecond", "counts === 'cost' ? perSecond"],
    ['(limit * 1_000) / latencyMs', '(limit * 1_000) * latencyMs'],
    ['perSecond <= pacePerSecond && perSecond <= byLimit', 'perSecond <= pacePerSecond || perSecond <= byLimit'],
    ['if (pacePerSecond <= byLimit)', 'if (pacePerSecond >= byLimit)'],
    ["if (state.isHeld) return { perSecond: 0, boundBy: 'hold' }", ''],
  ),
  ...of(
    'heavy-hitters.ts',
    ['known.count++', 'known.count += 2'],
    ['count: error + 1, error }', 'count: error, error }'],
    ['this.#known.size < this.#places ? 0', 'this.#known.size <= this.#places ? 0'],
    ['if (error === 0) this.#least = 1', ''],
    ['if (count === this.#least) this.#least = count + 1', 'if (count === this.#least) this.#least = count + 2'],
    ['if (count === this.#least) this.#least', 'if (count > 0) this.#least'],
    ['this.#known.delete(key)', ''],
    ['bucket?.delete(key)', ''],
    ['other.count - one.count', 'one.count - other.count'],
    ['one.key < other.key ? -1 : 1', 'one.key < other.key ? 1 : -1'],
    ['.slice(0, most)', ''],
    ['this.#seen++', ''],
  ),
]
