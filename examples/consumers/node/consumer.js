import { setTimeout as sleep } from 'node:timers/promises'
import { Consumer, stringDeserializers } from '@platformatic/kafka'
import { BSON, MongoClient } from 'mongodb'

const {
  KAFKA_BROKERS = 'localhost:9092', STATE_TOPIC = 'user.state', GROUP = 'consumer-node',
  MONGODB_URI = 'mongodb://localhost:27017', MONGODB_DATABASE = 'consumers', COLLECTION = 'node',
} = process.env

const timeouts = { serverSelectionTimeoutMS: 5_000, socketTimeoutMS: 10_000 }
const mongodb = new MongoClient(MONGODB_URI, { writeConcern: { w: 'majority' }, ...timeouts })
const users = mongodb.db(MONGODB_DATABASE).collection(COLLECTION)
const report = error => console.error('Kafka:', error.message)
let running = true, stream
const stop = () => {
  running = false
  stream?.close().catch(() => {})
}
process.once('SIGTERM', stop).once('SIGINT', stop)

// Returns the write of a record. Throws an error if the record is not a state.
function writeOf({ key, headers, value }) {
  const [type, sequence] = [headers.get('ce_type'), headers.get('ce_sequence')]
  if (type !== 'user.state.v1' || !/^[0-9]{10}$/.test(sequence)) throw new Error('unknown type or sequence')
  const deleted = { id: key, deleted: true, deletedAt: new Date() }
  const { id, ...state } = value === undefined ? deleted : JSON.parse(value)
  if (!key || id !== key) throw new Error('not the user of the key')
  const user = { ...state, _id: key, version: Number(sequence) }
  BSON.serialize(user) // Throws an error if MongoDB cannot store it.
  // In one atomic step: the document stays if its version is greater.
  const newer = { $cond: [{ $gt: ['$version', user.version] }, '$$ROOT', { $literal: user }] }
  return { updateOne: { filter: { _id: key }, update: [{ $replaceWith: newer }], upsert: true } }
}

// Writes a batch. Returns false if the consumer stops before that. A repeated write does no harm.
async function write(writes) {
  while (writes.length > 0) {
    try {
      await users.bulkWrite(writes)
      break
    } catch (error) {
      console.error('MongoDB:', error.name) // Without its text, which may have members of users.
      if (!running) return false
      await sleep(1000)
    }
  }
  return true
}

// Reads the topic until the consumer stops, or until Kafka has been away for some seconds.
async function consume(kafka) {
  stream = await kafka.consume({ topics: [STATE_TOPIC], mode: 'committed', fallbackMode: 'earliest' })
  kafka.on('consumer:heartbeat:error', ({ error }) => stream.destroy(error))
  if (running) for await (const first of stream) {
    const [records, writes] = [[first], []]
    for (let next; records.length < 500 && (next = stream.read()) !== null;) records.push(next)
    for (const record of records) {
      try {
        writes.push(writeOf(record))
      } catch (error) { // Without its text, which may have members of the record.
        console.error(`skipped: partition ${record.partition}, offset ${record.offset}: ${error.name}`)
      }
    }
    if (!(await write(writes))) return
    for (const last of new Map(records.map(record => [record.partition, record])).values()) await last.commit().catch(report)
  }
}

while (running) {
  const kafka = new Consumer({
    clientId: 'consumer-node', groupId: GROUP, bootstrapBrokers: KAFKA_BROKERS.split(','),
    deserializers: stringDeserializers, autocommit: false, sessionTimeout: 10_000,
  })
  kafka.on('error', error => stream?.destroy(error))
  await consume(kafka).catch(report)
  await kafka.close(true).catch(report)
  await sleep(running ? 1000 : 0)
}
process.exit()
