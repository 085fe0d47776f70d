package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
)

// writeOf returns the write of a record, or an error for a record that is not a state.
func writeOf(record *kgo.Record) (mongo.WriteModel, error) {
	key, headers, user := string(record.Key), map[string]string{}, map[string]any{}
	for _, header := range record.Headers {
		headers[header.Key] = string(header.Value)
	}
	version, err := strconv.ParseUint(headers["ce_sequence"], 10, 63)
	if err != nil || len(headers["ce_sequence"]) != 10 || headers["ce_type"] != "user.state.v1" {
		return nil, errors.New("unknown type or sequence")
	}
	if record.Value == nil { // The user was deleted.
		user["deleted"], user["deletedAt"] = true, time.Now()
	} else if err := json.Unmarshal(record.Value, &user); err != nil || user["id"] != key {
		return nil, errors.New("not JSON, or not the user of the key")
	}
	user["_id"], user["version"] = key, version
	delete(user, "id")
	_, err = bson.Marshal(user) // An error if MongoDB cannot store it.
	// In one atomic step: the document stays if its version is greater.
	newer := bson.M{"$cond": bson.A{bson.M{"$gt": bson.A{"$version", version}}, "$$ROOT", bson.M{"$literal": user}}}
	return mongo.NewUpdateOneModel().SetFilter(bson.M{"_id": key}).SetUpdate(bson.A{bson.M{"$replaceWith": newer}}).SetUpsert(true), err
}

func main() {
	stop, _ := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	setting := func(name, otherwise string) string { return cmp.Or(os.Getenv(name), otherwise) }
	mongodb, invalid := mongo.Connect(options.Client().ApplyURI(setting("MONGODB_URI", "mongodb://localhost:27017")).
		SetWriteConcern(writeconcern.Majority()).SetTimeout(10 * time.Second))
	kafka, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(setting("KAFKA_BROKERS", "localhost:9092"), ",")...),
		kgo.ConsumerGroup(setting("GROUP", "consumer-go")), kgo.ConsumeTopics(setting("STATE_TOPIC", "user.state")),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.AutoCommitMarks(), kgo.SessionTimeout(10*time.Second))
	if err := errors.Join(invalid, err); err != nil {
		log.Fatal(err)
	}
	defer kafka.Close()
	users := mongodb.Database(setting("MONGODB_DATABASE", "consumers")).Collection(setting("COLLECTION", "go"))
	for stop.Err() == nil {
		writes, fetches := []mongo.WriteModel{}, kafka.PollRecords(stop, 500)
		fetches.EachError(func(_ string, partition int32, err error) { log.Printf("partition %d: %v", partition, err) })
		for _, record := range fetches.Records() {
			if write, err := writeOf(record); err == nil {
				writes = append(writes, write)
			} else {
				log.Printf("skipped: partition %d, offset %d: %T", record.Partition, record.Offset, err)
			}
		}
		for len(writes) > 0 { // Until they are written. A repeated write does no harm.
			if _, err := users.BulkWrite(context.Background(), writes); err == nil {
				break
			} else if log.Printf("MongoDB: %T", err); stop.Err() != nil {
				return
			}
			time.Sleep(time.Second)
		}
		kafka.MarkCommitRecords(fetches.Records()...) // Marked offsets are committed within 5 s, and by Close.
	}
}
