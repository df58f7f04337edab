import { render } from 'preact'
import 'uplot/dist/uPlot.min.css'
import './style.css'
import { App } from './app.tsx'
import { stayConnected } from './live-connection.ts'

render(<App />, document.getElementById('app') as HTMLElement)
void stayConnected()
