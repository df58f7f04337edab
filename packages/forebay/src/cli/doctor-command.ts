/** What `forebay doctor` does, once its flags are read. */

import { systemClock } from '../clock.ts'
import { examineBackend } from '../doctor/examine-backend.ts'
import { examineGateway } from '../doctor/examine-gateway.ts'
import { findingsOf } from '../doctor/findings.ts'
import { doctorReport } from '../doctor/report.ts'
import type { QueueSnapshot } from '../doctor/snapshot.ts'
import { Answered } from './answered.ts'
import type { DoctorFlags } from './doctor.ts'
import { onInterrupt } from './interrupt.ts'

/** @throws ForebayError if the target cannot be read; Answered 1 if something was found. */
export async function doctor(target: string, flags: DoctorFlags): Promise<void> {
  const stop = onInterrupt('The examination was stopped before its end')
  try {
    const snapshots = await examine(target, flags, stop.signal)
    const findings = snapshots.flatMap(findingsOf)
    const text = flags.json ? JSON.stringify({ queues: snapshots, findings }) : doctorReport(snapshots, findings)
    process.stdout.write(`${text}\n`)
    if (findings.length > 0) throw new Answered(1)
  } finally {
    stop.off()
  }
}

async function examine(target: string, flags: DoctorFlags, signal: AbortSignal): Promise<QueueSnapshot[]> {
  const watch = { watchMs: flags.watch, clock: systemClock, signal }
  const url = /^https?:/.test(target) ? URL.parse(target) : null
  return url ? examineGateway({ url, token: flags.token }, watch) : [await examineBackend(target, flags.name, watch)]
}
