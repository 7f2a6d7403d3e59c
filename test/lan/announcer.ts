/** Answers mDNS questions like a host that runs avahi: NAME ADDRESS SERVICE ("ssh", "workstation"), until killed. */
import makeMdns from 'multicast-dns'
import type { ResponseOutgoingPacket } from 'multicast-dns'

const [name = '', address = '', service = 'ssh'] = process.argv.slice(2)
const type = `_${service}._tcp.local`
const instance = `${name}.${type}`
const host = `${name}.local`
const mdns = makeMdns({ interface: address, bind: '0.0.0.0', reuseAddr: true })

function answer(sent: () => void = () => undefined): void {
  const packet: ResponseOutgoingPacket = {
    answers: [{ name: type, type: 'PTR', ttl: 120, data: instance }],
    additionals: [
      { name: instance, type: 'SRV', ttl: 120, data: { target: host, port: 22, priority: 0, weight: 0 } },
      { name: instance, type: 'TXT', ttl: 120, data: [] },
      { name: host, type: 'A', ttl: 120, data: address },
    ],
  }
  mdns.respond(packet, sent)
}

mdns.on('query', (query) => {
  if (
    query.questions.some((question) => question.name === type || question.name === instance || question.name === host)
  )
    answer()
})
mdns.on('ready', () => {
  // announced unasked, as avahi does when a host joins
  answer(() => process.stdout.write('ready\n'))
})
