import type { Connection } from './store.ts'
import { useToken } from './live-connection.ts'
import { QueueCard } from './queue-card.tsx'
import { connection, samples } from './store.ts'

const CONNECTIONS: Readonly<Record<Connection, string>> = {
  connecting: 'Connecting',
  live: 'Live',
  lost: 'Connection lost. The figures stand still; trying again.',
  refused: 'The gateway wants a token.',
}

export function App() {
  const all = samples.value
  const latest = all.at(-1)
  return (
    <>
      <header class="top">
        <h1>Forebay</h1>
        <p class={`connection connection-${connection.value}`} role="status">
          {CONNECTIONS[connection.value]}
        </p>
      </header>
      <main class={connection.value === 'lost' ? 'stale' : ''}>
        {connection.value === 'refused' && <TokenForm />}
        {latest?.queues.map((figures) => (
          <QueueCard key={figures.name} figures={figures} samples={all} />
        ))}
        {connection.value === 'live' && !latest && <p class="empty">The first figures come within a second.</p>}
        {latest?.queues.length === 0 && <p class="empty">No queue is configured.</p>}
      </main>
    </>
  )
}

function TokenForm() {
  const onSubmit = (event: SubmitEvent) => {
    event.preventDefault()
    const token = new FormData(event.currentTarget as HTMLFormElement).get('token')
    if (typeof token === 'string' && token !== '') useToken(token)
  }
  return (
    <form class="token" onSubmit={onSubmit}>
      <label for="token">Token</label>
      <input id="token" name="token" type="password" autocomplete="current-password" />
      <button type="submit">Use it</button>
    </form>
  )
}
