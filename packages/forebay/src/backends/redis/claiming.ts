/** Grants tasks: asks the engine for all who want some, and makes claims of what it answers. */

import type { RandomSource } from '../../random.ts'
import type { Claim, ClaimRequest } from '../queue-service.ts'
import { type Granted, PARK_MARGIN_MS, PARK_MS } from './redis-claims.ts'
import { type Argument, type RunScript, script, toMicros } from './script.ts'
import { CLAIM_SCRIPT } from './scripts/claim-script.ts'
import { storedTask } from './task-body.ts'

const CLAIM = script(CLAIM_SCRIPT)

/** So many are granted by one script, so that no other client of the server waits long for it. */
const GRANTED_AT_ONCE = 1_000

/** How many values a grant is in the script's answer. */
const VALUES = 7

export class Claiming {
  readonly #run: RunScript
  /** Names this queue's opening among all, for tokens. */
  readonly #incarnation: string
  #asked = 0

  constructor(run: RunScript, random: RandomSource) {
    this.#run = run
    this.#incarnation = Buffer.from(random.bytes(9)).toString('base64url')
  }

  /** @param parks Whether those that get nothing will wait. */
  async ask(requests: readonly ClaimRequest[], parks: boolean): Promise<Granted> {
    const grants: Claim[][] = requests.map(() => [])
    for (;;) {
      const wanted = shareOut(requests, grants)
      try {
        const { count, nextDueInMs } = await this.#askOnce(requests, wanted, parks, grants)
        const most = wanted.reduce((sum, number) => sum + number, 0)
        if (count < most || most < GRANTED_AT_ONCE) return { grants, nextDueInMs }
      } catch (thrown) {
        // What was granted before is not lost with what came after it.
        if (grants.every((claims) => claims.length === 0)) throw thrown
        return { grants, nextDueInMs: undefined }
      }
    }
  }

  /** Adds what is granted to `grants`. */
  async #askOnce(
    requests: readonly ClaimRequest[],
    wanted: readonly number[],
    parks: boolean,
    grants: readonly Claim[][],
  ): Promise<{ readonly count: number; readonly nextDueInMs: number | undefined }> {
    const nonce = `${this.#incarnation}${(++this.#asked).toString(36)}`
    const args: Argument[] = [nonce, parks ? toMicros(PARK_MS + PARK_MARGIN_MS) : 0]
    requests.forEach(({ leaseMs, perKey = {} }, index) => {
      args.push(wanted[index] as number, toMicros(leaseMs), perKey.concurrency ?? 0, perKey.perSecond ?? 0)
    })
    const reply = (await this.#run(CLAIM, args)) as Argument[]
    const nextDue = reply[1] as number
    const first = 2 + requests.length
    let count = 0
    requests.forEach((_, index) => {
      for (let left = reply[2 + index] as number; left > 0; left--) {
        const token = `${(reply[0] as number) + count}/${nonce}`
        grants[index]?.push(claimOf(reply, first + VALUES * count, token))
        count++
      }
    })
    return { count, nextDueInMs: nextDue < 0 ? undefined : nextDue / 1_000 }
  }
}

/** What each still wants, within what one script grants. */
function shareOut(requests: readonly ClaimRequest[], grants: readonly Claim[][]): number[] {
  let left = GRANTED_AT_ONCE
  return requests.map(({ max }, index) => {
    const share = Math.min(left, Math.max(0, max - (grants[index]?.length ?? 0)))
    left -= share
    return share
  })
}

function claimOf(reply: readonly Argument[], at: number, token: string): Claim {
  const id = reply[at] as string
  const engines = {
    id,
    attempts: reply[at + 1] as number,
    createdAt: reply[at + 4] as number,
    failures: reply[at + 5] as string,
  }
  return {
    id,
    token,
    task: storedTask(reply[at + 6] as string, engines),
    waitedMs: (reply[at + 2] as number) / 1_000,
    expired: reply[at + 3] === 1,
  }
}
