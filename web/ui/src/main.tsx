import { render } from 'preact'
import { App } from './app'
import { follow } from './store'
import './style.css'

follow()
render(<App />, document.getElementById('app')!)
