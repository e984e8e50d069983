// A service as the seed describes it: writes each line of its input, {"key", "value"}, with an idempotent producer.
//   node produce.js BROKER TOPIC < lines
const { CompressionTypes, Kafka, logLevel } = require('kafkajs');
const { readFileSync } = require('node:fs');

const [broker, topic] = process.argv.slice(2);
const messages = readFileSync(0, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line));

async function main() {
  const kafka = new Kafka({ clientId: 'upstream', brokers: [broker], logLevel: logLevel.ERROR });
  const producer = kafka.producer({ allowAutoTopicCreation: false, idempotent: true, maxInFlightRequests: 5 });
  await producer.connect();
  await producer.send({ topic, compression: CompressionTypes.GZIP, messages });
  await producer.disconnect();
  console.log(messages.length);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
