import { expect, it } from 'vitest'
import { parseRabbitmqUrl } from './rabbitmq-url.ts'

it('keeps what the client reads, takes out what is ours, and shows no password', () => {
  const text = 'amqps://me:se%40cret@rabbit.example:5671/orders?queueType=classic&prefix=shop&heartbeat=5&channel_max=9'
  expect(parseRabbitmqUrl(text)).toEqual({
    url: 'amqps://me:se%40cret@rabbit.example:5671/orders?heartbeat=5&channel_max=9',
    shown: 'rabbit.example:5671/orders',
    queueType: 'classic',
    prefix: 'shop',
  })
})

it('a bare host is RabbitMQ as it is installed, with heartbeats', () => {
  expect(parseRabbitmqUrl('amqp://localhost')).toEqual({
    url: 'amqp://guest:guest@localhost?heartbeat=10',
    shown: 'localhost',
  })
})

it.each([
  ['amqp:', 'names no server'],
  ['amqp:///vhost', 'names no server'],
  ['amqp://[bad', "can't be read"],
  ['amqp://h?durability=full', 'has the parameter "durability"; known are queueType, prefix, heartbeat'],
  ['amqp://h?queueType=stream', 'it is quorum or classic'],
])('%s is refused: %s', (text, why) => {
  expect(() => parseRabbitmqUrl(text)).toThrow(expect.objectContaining({ code: 'INVALID_URL' }))
  expect(() => parseRabbitmqUrl(text)).toThrow(why)
})
