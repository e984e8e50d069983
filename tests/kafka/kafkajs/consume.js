// The seed's consumer: reads COUNT records of all TOPICs from their beginning and prints each as a line of JSON.
//   node consume.js BROKER COUNT TOPIC...
const { Kafka, logLevel } = require('kafkajs');

const [broker, count, ...topics] = process.argv.slice(2);
const LIMIT_MS = 60000;

async function main() {
  const kafka = new Kafka({ clientId: 'downstream', brokers: [broker], logLevel: logLevel.ERROR });
  const consumer = kafka.consumer({ groupId: `${topics[0]}-reader`, sessionTimeout: 30000, heartbeatInterval: 3000 });
  await consumer.connect();
  await consumer.subscribe({ topics, fromBeginning: true });
  let left = Number(count);
  const done = new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${left} of ${count} records did not come`)), LIMIT_MS);
    consumer.run({
      eachMessage: async ({ topic, partition, message }) => {
        const headers = Object.fromEntries(Object.entries(message.headers).map(([key, value]) => [key, `${value}`]));
        console.log(JSON.stringify({ topic, partition, key: `${message.key}`, value: `${message.value}`, headers }));
        left -= 1;
        if (left === 0) {
          clearTimeout(timer);
          resolve();
        }
      },
    }).catch(reject);
  });
  await done;
  await consumer.disconnect();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
