// Reads streams (4 bytes of length, big-endian, then the bytes) from standard input and prints, for each, one line of
// JSON: the requests that Node's HTTP server sees in it. `--lenient` switches Node's insecure parser on.
'use strict'
const http = require('node:http')
const { Duplex } = require('node:stream')

const CREDENTIALS = /^(authorization|x-api-key|api-key|x-goog-api-key)$/

const hex = (text) => Buffer.from(text, 'latin1').toString('hex')

async function readStandardInput () {
  const parts = []
  for await (const part of process.stdin) parts.push(part)
  return Buffer.concat(parts)
}

function * streams (input) {
  for (let at = 0; at < input.length;) {
    const length = input.readUInt32BE(at)
    yield input.subarray(at + 4, at + 4 + length)
    at += 4 + length
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

async function parse (bytes, options) {
  const requests = []
  let changes = 0
  const take = (request, body) => {
    const fields = []
    for (let at = 0; at < request.rawHeaders.length; at += 2) {
      fields.push([request.rawHeaders[at].toLowerCase(), request.rawHeaders[at + 1]])
    }
    const seen = {
      method: request.method,
      target: hex(request.url),
      hosts: fields.filter(([name]) => name === 'host').map(([, value]) => hex(value)),
      credentials: fields.filter(([name]) => CREDENTIALS.test(name.replaceAll('_', '-')))
        .map(([name, value]) => [name, hex(value)]),
      fields: fields.length,
      tokens: fields.filter(([, value]) => value.includes('kw_gw_')).length,
      body: '',
      complete: false
    }
    requests.push(seen)
    request.on('error', () => {})
    request.on('data', (data) => { seen.body += data.toString('hex'); changes += 1 })
    request.on('end', () => { seen.complete = request.complete; changes += 1 })
    changes += 1
  }
  const server = http.createServer(options, (request, response) => {
    take(request)
    response.statusCode = 204
    response.end()
  })
  // What Node takes out of HTTP is no request that others see as one, either.
  server.on('connect', (request, socket) => { take(request); socket.destroy() })
  // Not destroyed here: the requests before the fault would lose what they have not handed out yet.
  server.on('clientError', () => { changes += 1 })
  const socket = new Duplex({ read () {}, write (chunk, encoding, done) { done() } })
  socket.on('error', () => {})
  server.emit('connection', socket)
  for (let at = 0; at < bytes.length; at += 65536) {
    socket.push(bytes.subarray(at, at + 65536))
    await turn()
  }
  for (let quiet = 0, before = -1; quiet < 4; before = changes) {
    await turn()
    quiet = before === changes ? quiet + 1 : 0
  }
  socket.destroy()
  return requests
}

async function main () {
  const options = {
    insecureHTTPParser: process.argv.includes('--lenient'),
    maxHeaderSize: 1 << 20,
    keepAliveTimeout: 0,
    requestTimeout: 0,
    headersTimeout: 0
  }
  for (const bytes of streams(await readStandardInput())) {
    process.stdout.write(JSON.stringify(await parse(bytes, options)) + '\n')
  }
}

// An exit at once would lose what is still on its way to the pipe.
main().catch((error) => { console.error(error); process.exitCode = 1 })
