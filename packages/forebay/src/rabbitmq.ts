/** `forebay/rabbitmq`: the RabbitMQ backend, made by hand. */

export type { RabbitmqOptions } from './backends/rabbitmq/open-rabbitmq.ts'
export { openRabbitmq, openRabbitmq as rabbitmq } from './backends/rabbitmq/open-rabbitmq.ts'
