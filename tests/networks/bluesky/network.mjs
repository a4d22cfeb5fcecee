// A Bluesky network on loopback: directory (PLC), data server (PDS) and, where a database is given, the AppView.
//
//     node network.mjs FOLDER [POSTGRESQL_URL]
//
// The folder holds all its data and is deleted when it ends. Writes one line of JSON with the addresses to stdout.
// Each line on stdin asks to wait until all that was written is indexed; the answer is a line of JSON too. It ends when
// stdin does, so it cannot outlive the process that started it.

import dns from 'node:dns'
import fs from 'node:fs'
import net from 'node:net'
import readline from 'node:readline'

const [folder, database] = process.argv.slice(2)
process.env.TMPDIR = folder
const { listen } = net.Server.prototype

// The servers would listen on every interface of this machine.
net.Server.prototype.listen = function (first, ...rest) {
  const options = typeof first === 'object' ? first : { port: Number(first ?? 0) }
  return listen.call(this, { ...options, host: '127.0.0.1' }, rest.findLast((value) => typeof value === 'function'))
}
dns.setDefaultResultOrder('ipv4first')

const say = (value) => fs.writeSync(1, JSON.stringify(value) + '\n')
const end = (code) => {
  fs.rmSync(folder, { recursive: true, force: true })
  process.exit(code)
}
const lines = readline.createInterface({ input: process.stdin })
lines.on('close', () => end(0))
process.on('SIGTERM', () => end(0))

// By file, as the package's front door would load the moderation service too.
const load = (name) => import(`./node_modules/@atproto/dev-env/dist/${name}.js`)
const { TestPlc } = await load('plc')
const { TestPds } = await load('pds')
const { default: getPort } = await load('get-port')
const { mockNetworkUtilities } = await load('util')

const plc = await TestPlc.create({})
const port = await getPort()
const [bsky, bsync] = database ? await appview(database, plc.url, port) : []
const pds = await TestPds.create({
  port,
  didPlcUrl: plc.url,
  hostname: 'localhost', // so that DID documents name http://localhost:PORT, which can be dialled
  enableDidDocWithSession: true,
  ...(bsky && { bskyAppViewUrl: bsky.url, bskyAppViewDid: bsky.ctx.cfg.serverDid }),
})
mockNetworkUtilities(pds, bsky)

// Without the moderation service of the package's own TestNetwork: nobody moderates here.
async function appview(dbUrl, plcUrl, pdsPort) {
  const { TestBsync } = await load('bsync')
  const { TestBsky } = await load('bsky')
  const bsyncApiKey = 'key'
  const bsync = await TestBsync.create({ apiKeys: [bsyncApiKey], dbUrl, dbSchema: 'bsync' })
  const bsky = await TestBsky.create({
    plcUrl,
    pdsPort,
    bsyncApiKey,
    bsyncUrl: bsync.url,
    repoProvider: `ws://localhost:${pdsPort}`,
    dbPostgresUrl: dbUrl,
    dbPostgresSchema: 'appview',
    maxThreadDepth: 10, // levels of replies that getPostThread shows, as the public AppView does
  })
  bsync.ctx.dataplaneClients = [bsky.ctx.dataplane]
  return [bsky, bsync]
}

async function drain() {
  await pds.processAll()
  if (!bsky) return
  const last = (await pds.ctx.sequencer.curr()) ?? 0
  // The queue may look empty before the last event has come through the stream.
  while (((await bsky.sub.getCursor()) ?? 0) < last) {
    await bsky.sub.processAll()
    await new Promise((done) => setTimeout(done, 5))
  }
  await bsky.sub.processAll()
  await bsky.bsyncSub.processAll(await bsync.getStreamHeads())
}

lines.on('line', () => drain().then(() => say({}), (error) => say({ error: String(error) })))
say({ plc: plc.url, pds: pds.url, appview: bsky?.url ?? '' })
