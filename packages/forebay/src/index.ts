/** What users import. Inside the house, import the file itself. */

export type {
  Bounds,
  Capabilities,
  Claim,
  ClaimRef,
  ClaimRequest,
  DeadLetter,
  DeadLetters,
  DeadPage,
  Dedup,
  Depth,
  ExtendResult,
  FoundTask,
  KeptResult,
  KeyLimits,
  Newcomer,
  NewTask,
  OwnRate,
  PushResult,
  QueueService,
  Settlement,
  SettleResult,
  StoredTask,
  Totals,
} from './backends/queue-service.ts'
export type { Applied, SharedState } from './backends/shared-state.ts'
export type { CancelTimer, Clock } from './clock.ts'
export { systemClock, VirtualClock } from './clock.ts'
export type {
  Batch,
  BatchContext,
  BatchHandler,
  BatchOptions,
  BatchReturn,
  CallReport,
  Handler,
  HandlerContext,
  HandlerReturn,
} from './consumer/handler.ts'
export type { LearningConcurrency, LearningOptions, LimitEvent } from './consumer/concurrency.ts'
export { adaptive, aimd } from './consumer/concurrency.ts'
export type { StandsStill } from './consumer/circuit.ts'
export type { ConsumerEvents, ConsumerState } from './consumer/events.ts'
export type { ConsumerObserver, ObservedConsumer } from './consumer/observer.ts'
export { batch } from './consumer/handler.ts'
export { LeveledConsumer } from './consumer/leveled-consumer.ts'
export type { ObservedAnswer, ObservedFetchOptions } from './consumer/observed-fetch.ts'
export { observedFetch } from './consumer/observed-fetch.ts'
export type { AnyMiddleware, Middleware, MiddlewareScope } from './consumer/middleware/compose.ts'
export type { CompletionStore, IdempotencyOptions } from './consumer/middleware/idempotency.ts'
export { idempotency } from './consumer/middleware/idempotency.ts'
export type { TaskLogger } from './consumer/middleware/logging.ts'
export { logging } from './consumer/middleware/logging.ts'
export type { MemoryCompletionsOptions } from './consumer/middleware/memory-completions.ts'
export { memoryCompletions } from './consumer/middleware/memory-completions.ts'
export { timeout } from './consumer/middleware/timeout.ts'
export { traceHeaders } from './consumer/middleware/trace-context.ts'
export type { TracingOptions } from './consumer/middleware/tracing.ts'
export { tracing } from './consumer/middleware/tracing.ts'
export type {
  BreakerOptions,
  ConsumerLimits,
  ConsumerOptions,
  Limits,
  PerKeyOptions,
  RetryOptions,
  SharedConcurrency,
} from './consumer/options.ts'
export type { RateLimit, RateOptions } from './consumer/rate-options.ts'
export type { Completed, Dead, Outcome, Released, Retried } from './consumer/outcome.ts'
export { complete, dead, release, retryIn } from './consumer/outcome.ts'
export type { ScheduledLimits, ScheduleEvent } from './consumer/schedule.ts'
export type { ErrorCode, ErrorDetails } from './errors.ts'
export { ERROR_CODES, ForebayError } from './errors.ts'
export type { LimitChange, LimitReason } from './flow/concurrency-limit.ts'
export type { BreakerState } from './flow/breaker.ts'
export type { EffectiveRate, FlowBound } from './flow/effective-rate.ts'
export type { ScalingBound, ScalingDecision, ScalingObservation, ScalingOptions } from './flow/scaling-options.ts'
export { ScalingPolicy } from './flow/scaling-policy.ts'
export type { StartEstimate } from './flow/start-estimate.ts'
export type { EnqueueResult } from './queue/load-leveling-queue.ts'
export { LoadLevelingQueue } from './queue/load-leveling-queue.ts'
export type { CronPattern } from './queue/cron-times.ts'
export type { QueueCounts } from './queue/counts.ts'
export type { Fair } from './queue/fair-weights.ts'
export type { Enqueued, EnqueueOptions, QueueEvents, QueueOptions } from './queue/options.ts'
export type { Overflow, SpillPolicy, WaitPolicy } from './queue/overflow.ts'
export type { Recurring, RecurringEvents, RecurringOptions, Tick } from './queue/recurring.ts'
export { recurring } from './queue/recurring.ts'
export type { AnyTaskTypes, InputOf, TaskOf, TaskTypes } from './queue/task-types.ts'
export type { ObservedQueue, QueueObserver, Sending } from './queue/observer.ts'
export type { RandomSource } from './random.ts'
export { seededRandom, systemRandom } from './random.ts'
export type { Telemetry, TelemetryOptions } from './telemetry/telemetry.ts'
export { createTelemetry } from './telemetry/telemetry.ts'
export type { EventLoopDelay } from './clock.ts'
export type { Actuator, WorkSeen } from './scaling/actuator.ts'
export type { AutoscalerEvents } from './scaling/autoscaler.ts'
export { Autoscaler } from './scaling/autoscaler.ts'
export { ConsumerActuator } from './scaling/consumer-actuator.ts'
export type { KedaScalerOptions } from './scaling/keda/keda-scaler.ts'
export { KedaScaler } from './scaling/keda/keda-scaler.ts'
export type { PoolWorkerOptions } from './scaling/pool-worker.ts'
export { workInPool } from './scaling/pool-worker.ts'
export type { ScaledQueue } from './scaling/queue-sight.ts'
export { ScalingSignal } from './scaling/scaling-signal.ts'
export type { WorkerPoolEvents, WorkerPoolOptions } from './scaling/worker-pool.ts'
export { WorkerPool } from './scaling/worker-pool.ts'
export type { WorkerCommand, WorkerProcess } from './scaling/worker-process.ts'
export { forkWorker } from './scaling/worker-process.ts'
export type { DeadReason, FailedAttempt, Task, TaskId, TaskInput } from './task.ts'
