import { expect, it } from 'vitest'
import { VirtualClock } from '../clock.ts'
import { BusyPoll } from './busy-poll.ts'

/** An event loop whose turns are taken by hand, and answers that are given by hand. */
function loop(processors = 2) {
  const clock = new VirtualClock()
  const turns: (() => void)[] = []
  const poll = new BusyPoll({ clock, processors, nextTurn: (callback) => turns.push(callback) })
  const ask = () => {
    let give: (answer: string) => void = () => {}
    const promise = new Promise<string>((resolve) => {
      give = resolve
    })
    return { answer: poll.answerOf(() => promise), give: () => give('answer') }
  }
  const answered = async (inMs: number) => {
    const { answer, give } = ask()
    await clock.advance(inMs)
    give()
    expect(await answer).toBe('answer')
  }
  /** Takes the turns that are due now; whether there were any. */
  const turn = () => {
    const due = turns.splice(0)
    for (const callback of due) callback()
    return due.length > 0
  }
  return { clock, poll, ask, answered, turn }
}

it('stays awake for an answer once answers are known to come soon, until it is there', async () => {
  const { ask, answered, turn } = loop()
  await answered(0.1)
  expect(turn()).toBe(false)
  const { answer, give } = ask()
  for (let turns = 0; turns < 5; turns++) expect(turn()).toBe(true)
  give()
  await answer
  expect([turn(), turn()]).toEqual([true, false])
})

it('sleeps when this one takes longer than a quarter of a millisecond', async () => {
  const { clock, ask, answered, turn } = loop()
  await answered(0.1)
  const { answer, give } = ask()
  await clock.advance(0.24)
  expect(turn()).toBe(true)
  await clock.advance(0.02)
  expect([turn(), turn()]).toEqual([true, false])
  give()
  await answer
})

it('one turn of the loop serves all that is awaited, and the last one asked tells until when', async () => {
  const { clock, ask, answered, turn } = loop()
  await answered(0.1)
  const first = ask()
  await clock.advance(0.2)
  const second = ask()
  await clock.advance(0.2)
  first.give()
  await first.answer
  expect([turn(), turn()]).toEqual([true, true])
  second.give()
  await second.answer
  expect([turn(), turn()]).toEqual([true, false])
})

it('learns that the server has gone far away, and that it has come back', async () => {
  const { answered, turn } = loop()
  const staysAwake = async (inMs: number) => {
    await answered(inMs)
    const woke = turn()
    turn()
    return woke
  }
  await answered(0.1)
  expect(await staysAwake(0.1)).toBe(true)
  // One that is very late counts for little.
  await answered(1_000)
  turn()
  expect(await staysAwake(0.1)).toBe(true)
  for (let times = 0; times < 20; times++) await staysAwake(0.6)
  expect(await staysAwake(0.6)).toBe(false)
  for (let times = 0; times < 40; times++) await staysAwake(0.1)
  expect(await staysAwake(0.1)).toBe(true)
})

it('counts a refusal as an answer, and passes it on', async () => {
  const { poll, turn, answered } = loop()
  await answered(0.1)
  await expect(poll.answerOf(() => Promise.reject(new Error('no')))).rejects.toThrow('no')
  expect([turn(), turn()]).toEqual([true, false])
})

it('never on a single processor', async () => {
  const { answered, turn } = loop(1)
  for (let times = 0; times < 3; times++) await answered(0.1)
  expect(turn()).toBe(false)
})
