// SPDX-License-Identifier: Apache-2.0
package dev.flk.copy.kafka;

import dev.flk.copy.CopyTopic.CopyUnavailableException;
import dev.flk.copy.kafka.FeedEnds.End;
import dev.flk.program.config.Secret;
import java.time.Duration;
import java.time.Instant;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.apache.kafka.clients.CommonClientConfigs;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ListTransactionsOptions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.ProducerState;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.admin.TransactionListing;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionInfo;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.config.types.Password;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.jspecify.annotations.Nullable;

/**
 * The calls about one topic that neither read nor write entries. Each waits for a bounded time; the first one opens the
 * connections. Safe for any thread.
 */
final class TopicAdmin implements AutoCloseable {
    /** The usual time after which a call to the brokers fails. */
    static final Duration CALL = Duration.ofSeconds(6);

    private static final Duration CONNECT = Duration.ofSeconds(3);

    /** The time that the news of a topic takes to reach all brokers. */
    private static final Duration NEWS = Duration.ofSeconds(1);

    private static final Duration ASK_AGAIN = Duration.ofMillis(100);
    private static final Duration LOOK_AGAIN = Duration.ofMillis(500);
    private static final Duration CLOSE = Duration.ofSeconds(1);

    private final KafkaSettings settings;
    private final String topic;
    private final TopicPartition partition;
    private final Duration limit;
    private final TopicCommands commands;
    private final KafkaFailures failures;

    // guarded by this
    private @Nullable Admin admin;

    /** @param limit the time after which a call to the brokers fails */
    TopicAdmin(KafkaSettings settings, String topic, TopicRules rules, Duration limit) {
        this.settings = settings;
        this.topic = topic;
        this.partition = new TopicPartition(topic, 0);
        this.limit = limit;
        this.commands = new TopicCommands(settings, topic, rules);
        this.failures = new KafkaFailures(settings, topic, commands);
    }

    KafkaFailures failures() {
        return failures;
    }

    TopicCommands commands() {
        return commands;
    }

    /** Returns the time after which a call to the brokers fails. */
    Duration limit() {
        return limit;
    }

    /** Returns the settings that all clients have in common. */
    static Map<String, Object> clientProperties(KafkaSettings settings, String topic) {
        Map<String, Object> properties = new HashMap<>(settings.properties());
        for (Map.Entry<String, Secret> each : settings.secrets().entrySet()) {
            properties.put(each.getKey(), new Password(each.getValue().text()));
        }
        properties.put(CommonClientConfigs.BOOTSTRAP_SERVERS_CONFIG, settings.brokers());
        properties.put(CommonClientConfigs.CLIENT_ID_CONFIG, topic);
        properties.put(CommonClientConfigs.SOCKET_CONNECTION_SETUP_TIMEOUT_MS_CONFIG, CONNECT.toMillis());
        properties.put(CommonClientConfigs.SOCKET_CONNECTION_SETUP_TIMEOUT_MAX_MS_CONFIG, CALL.toMillis());
        // neither the brokers nor JMX get the client's own metrics
        properties.put(CommonClientConfigs.ENABLE_METRICS_PUSH_CONFIG, false);
        properties.put(CommonClientConfigs.METRIC_REPORTER_CLASSES_CONFIG, List.of());
        return properties;
    }

    private synchronized Admin client() {
        Admin open = admin;
        if (open == null) {
            Map<String, Object> properties = clientProperties(settings, topic);
            properties.put(CommonClientConfigs.REQUEST_TIMEOUT_MS_CONFIG, (int)
                    limit.dividedBy(2).toMillis());
            properties.put(CommonClientConfigs.DEFAULT_API_TIMEOUT_MS_CONFIG, (int) limit.toMillis());
            open = Admin.create(properties);
            admin = open;
        }
        return open;
    }

    /**
     * Returns the result of a call; fails with a {@link CopyUnavailableException}. Asks again for a moment if the topic
     * is not known, because a broker hears of a new one later than the broker that created it.
     */
    private <T> T get(Function<Admin, KafkaFuture<T>> call) {
        return get(call, NEWS);
    }

    private <T> T get(Function<Admin, KafkaFuture<T>> call, Duration patience) {
        long begunNanos = System.nanoTime();
        try {
            while (true) {
                try {
                    return call.apply(client()).get(2 * limit.toMillis(), TimeUnit.MILLISECONDS);
                } catch (ExecutionException e) {
                    if (!(e.getCause() instanceof UnknownTopicOrPartitionException)
                            || System.nanoTime() - begunNanos >= patience.toNanos()) {
                        throw failures.of(e.getCause() == null ? e : e.getCause());
                    }
                }
                sleep(ASK_AGAIN);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw failures.of(e);
        } catch (CopyUnavailableException e) {
            throw e;
        } catch (TimeoutException | RuntimeException e) {
            throw failures.of(e);
        }
    }

    /** Returns the id of the cluster and the id of the topic. */
    String identity() {
        return get(admin -> admin.describeCluster().clusterId()) + "/" + topicId();
    }

    String topicId() {
        return describe().topicId().toString();
    }

    TopicDescription describe() {
        return get(this::described);
    }

    /** Returns the description of the topic; empty if the broker that was asked does not know it. */
    Optional<TopicDescription> find() {
        try {
            return Optional.of(get(this::described, Duration.ZERO));
        } catch (CopyUnavailableException e) {
            if (e.getCause() instanceof UnknownTopicOrPartitionException) {
                return Optional.empty();
            }
            throw e;
        }
    }

    private KafkaFuture<TopicDescription> described(Admin client) {
        return Objects.requireNonNull(
                client.describeTopics(List.of(topic)).topicNameValues().get(topic));
    }

    /** Returns the topic's settings, those included that it has from the brokers. */
    Config configuration() {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        return get(admin -> admin.describeConfigs(List.of(resource)).values().get(resource));
    }

    void create(short replicas, Map<String, String> configuration) {
        NewTopic wanted = new NewTopic(topic, 1, replicas).configs(configuration);
        get(admin -> admin.createTopics(List.of(wanted)).topicId(topic));
    }

    /** Returns the offset of the first entry. */
    long begin() {
        return offset(OffsetSpec.earliest());
    }

    /**
     * Returns the offset after the last entry that is replicated. A broker that was paused or cut off, and replaced as
     * the leader, may not know this and return an old one; so it is asked for again, after a new look for the leader,
     * while it is below an offset that is known.
     *
     * @param known the offset after an entry that was acknowledged
     */
    long end(long known) {
        long begunNanos = System.nanoTime();
        long end = offset(OffsetSpec.latest());
        while (end < known && System.nanoTime() - begunNanos < limit.toNanos()) {
            close();
            sleep(LOOK_AGAIN);
            end = offset(OffsetSpec.latest());
        }
        return end;
    }

    /** Returns the offsets after the last entries of partitions, with the epochs of the leaders. */
    Map<Integer, End> ends(Set<Integer> partitions) {
        Map<TopicPartition, OffsetSpec> wanted = partitions.stream()
                .collect(Collectors.toMap(each -> new TopicPartition(topic, each), each -> OffsetSpec.latest()));
        return get(admin -> admin.listOffsets(wanted).all()).entrySet().stream()
                .collect(Collectors.toMap(
                        each -> each.getKey().partition(),
                        each -> new End(
                                each.getValue().offset(),
                                each.getValue().leaderEpoch().orElse(0))));
    }

    private long offset(OffsetSpec which) {
        return get(admin -> admin.listOffsets(Map.of(partition, which)).partitionResult(partition))
                .offset();
    }

    void sleep(Duration time) {
        try {
            Thread.sleep(time.toMillis());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw failures.of(e);
        }
    }

    void removeBefore(long offset) {
        get(admin -> admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(offset)))
                .lowWatermarks()
                .get(partition));
    }

    /** A transaction that was neither committed nor aborted; the id is empty if this user may not see it. */
    record OpenTransaction(String id, long startOffset, Instant lastWrite) {}

    /** Returns the oldest open transaction in the first partition, behind which nothing counts as committed. */
    Optional<OpenTransaction> oldestTransaction() {
        Optional<ProducerState> oldest = get(
                        admin -> admin.describeProducers(List.of(partition)).partitionResult(partition))
                .activeProducers()
                .stream()
                .filter(each -> each.currentTransactionStartOffset().isPresent())
                .min(Comparator.comparingLong(
                        each -> each.currentTransactionStartOffset().getAsLong()));
        return oldest.map(producer -> new OpenTransaction(
                transactionalId(producer.producerId()),
                producer.currentTransactionStartOffset().orElse(0),
                Instant.ofEpochMilli(producer.lastTimestamp())));
    }

    private String transactionalId(long producer) {
        ListTransactionsOptions options = new ListTransactionsOptions().filterProducerIds(List.of(producer));
        return get(admin -> admin.listTransactions(options).all()).stream()
                .map(TransactionListing::transactionalId)
                .findFirst()
                .orElse("");
    }

    /**
     * Finds out why the brokers acknowledge nothing, without blocking. The stage never fails.
     *
     * @param otherwise the text if the answer is not found either
     */
    CompletionStage<String> whyNotAcknowledged(String otherwise) {
        CompletableFuture<String> why = new CompletableFuture<>();
        try {
            described(client())
                    .whenComplete((description, failure) ->
                            why.complete(description == null ? otherwise : state(description, otherwise)));
        } catch (RuntimeException e) {
            why.complete(otherwise);
        }
        return why;
    }

    private static String state(TopicDescription topic, String otherwise) {
        for (TopicPartitionInfo partition : topic.partitions()) {
            if (partition.leader() == null) {
                return "no broker leads the topic's partition; start its brokers: " + ids(partition.replicas());
            }
            if (partition.isr().size() != partition.replicas().size()) {
                return "of the topic's brokers (ids " + ids(partition.replicas()) + "), only these are in sync: "
                        + ids(partition.isr()) + "; start the others, and look for full disks and slow networks";
            }
        }
        return otherwise;
    }

    private static String ids(List<Node> nodes) {
        return nodes.stream().map(Node::idString).sorted().collect(Collectors.joining(", "));
    }

    @Override
    public synchronized void close() {
        if (admin != null) {
            admin.close(CLOSE);
            admin = null;
        }
    }
}
