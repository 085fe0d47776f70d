package example;

import com.google.gson.*;
import com.mongodb.*;
import com.mongodb.client.MongoClients;
import com.mongodb.client.model.*;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.bson.*;
import org.bson.codecs.DocumentCodec;
import org.slf4j.*;

public class Consumer {
    private static final Logger log = LoggerFactory.getLogger(Consumer.class);
    private static final Gson json = new GsonBuilder().setStrictness(Strictness.STRICT).create();
    private static volatile boolean running = true;

    /** Returns the write of a record. Throws an exception if the record is not a state. */
    private static WriteModel<Document> writeOf(ConsumerRecord<String, String> record) {
        var type = new String(record.headers().lastHeader("ce_type").value());
        var sequence = new String(record.headers().lastHeader("ce_sequence").value());
        if (!type.equals("user.state.v1") || !sequence.matches("[0-9]{10}")) throw new IllegalArgumentException();
        var user = new Document("id", record.key()).append("deleted", true).append("deletedAt", new Date());
        if (record.value() != null) user = new Document(json.fromJson(record.value(), Map.class));
        if (!user.remove("id").equals(record.key())) throw new IllegalArgumentException();
        user.putAll(Map.of("_id", record.key(), "version", Long.valueOf(sequence)));
        var encoded = new RawBsonDocument(user, new DocumentCodec()); // Throws an exception if MongoDB cannot store it.
        // In one atomic step: the document stays if its version is greater.
        var isGreater = new Document("$gt", List.of("$version", user.get("version")));
        var newer = new Document("$cond", List.of(isGreater, "$$ROOT", new Document("$literal", encoded)));
        var update = List.of(new Document("$replaceWith", newer));
        return new UpdateOneModel<>(Filters.eq(record.key()), update, new UpdateOptions().upsert(true));
    }

    public static void main(String[] arguments) throws InterruptedException {
        Map<String, String> environment = System.getenv();
        Thread main = Thread.currentThread();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            running = false;
            try { main.join(); } catch (InterruptedException ignored) { }
        }));
        var uri = new ConnectionString(environment.getOrDefault("MONGODB_URI", "mongodb://localhost:27017"));
        var settings = MongoClientSettings.builder().applyConnectionString(uri).writeConcern(WriteConcern.MAJORITY);
        var users = MongoClients.create(settings.timeout(10, TimeUnit.SECONDS).build())
            .getDatabase(environment.getOrDefault("MONGODB_DATABASE", "consumers"))
            .getCollection(environment.getOrDefault("COLLECTION", "java"));
        var properties = Map.<String, Object>of(
            "bootstrap.servers", environment.getOrDefault("KAFKA_BROKERS", "localhost:9092"),
            "group.id", environment.getOrDefault("GROUP", "consumer-java"), "session.timeout.ms", 10_000,
            "request.timeout.ms", 5_000, "default.api.timeout.ms", 5_000,
            "enable.auto.commit", false, "allow.auto.create.topics", false, "auto.offset.reset", "earliest");
        try (var kafka = new KafkaConsumer<>(properties, new StringDeserializer(), new StringDeserializer())) {
            kafka.subscribe(List.of(environment.getOrDefault("STATE_TOPIC", "user.state")));
            var writes = new ArrayList<WriteModel<Document>>();
            while (running) {
                try {
                    // A batch that MongoDB has not written is written again, which does no harm.
                    for (var record : writes.isEmpty() ? kafka.poll(Duration.ofMillis(500)) : ConsumerRecords.<String, String>empty()) {
                        try {
                            writes.add(writeOf(record));
                        } catch (RuntimeException error) { // Without its text, which may have members of the record.
                            log.error("skipped: partition {}, offset {}: {}", record.partition(), record.offset(), error.getClass());
                        }
                    }
                    if (!writes.isEmpty()) users.bulkWrite(writes);
                    writes.clear();
                    kafka.commitSync(); // After an error, the next commit includes these offsets, or the records come again.
                } catch (MongoException | KafkaException error) {
                    log.error("{}", error.getClass().getName()); // Without its text, which may have members of users.
                    Thread.sleep(1000);
                }
            }
        }
    }
}
