// SPDX-License-Identifier: Apache-2.0
package dev.flk.copy.kafka;

import java.util.List;
import java.util.Map;
import java.util.function.LongPredicate;
import java.util.function.Predicate;
import java.util.stream.Collectors;

/**
 * The requirements on a topic.
 *
 * @param subject the subject of findings
 * @param partitions the number of partitions that a new topic gets
 * @param onePartition why it must have only one, and what to do before it is created again; empty if it may have more
 * @param settings the settings that it must have
 * @param suffix the end of its name, after the name that {@link #grants} have
 * @param grants the arguments of {@code kafka-acls.sh} that allow everything that a backend does; {@code %s} is a name
 */
record TopicRules(
        String subject,
        int partitions,
        String onePartition,
        List<Setting> settings,
        String suffix,
        List<String> grants) {
    /** The least number of brokers that have the topic. */
    static final short REPLICAS = 3;

    /** The value to set for {@code max.message.bytes}: the default of Kafka. */
    static final String MAX_MESSAGE = "1048588";

    /** The end of the name of the topic that has the positions of a feed. */
    static final String POSITIONS_SUFFIX = ".positions";

    private static final Setting CLEAN_ELECTION = new Setting(
            "unclean.leader.election.enable",
            "false",
            "false"::equals,
            "a broker that lacks entries must not become the leader");

    private static final List<String> FEED_GRANTS = List.of(
            "--topic %s --operation Describe --operation DescribeConfigs --operation Write",
            "--topic %s" + POSITIONS_SUFFIX
                    + " --operation Describe --operation DescribeConfigs --operation Read --operation Write",
            "--transactional-id " + KafkaFeed.transactionalId("%s", "")
                    + " --resource-pattern-type prefixed --operation Describe --operation Write");

    /** The copy of a log. */
    static final TopicRules COPY = new TopicRules(
            "copy",
            1,
            "because the order of entries matters; set KAFKA_TOPIC to another name, or remove the topic and create it",
            List.of(
                    new Setting("cleanup.policy", "delete", "delete"::equals, "compaction would remove entries"),
                    new Setting("retention.ms", "-1", "-1"::equals, "only this backend may remove entries"),
                    new Setting("retention.bytes", "-1", "-1"::equals, "only this backend may remove entries"),
                    twoInSync("an entry"),
                    CLEAN_ELECTION,
                    new Setting(
                            "max.message.bytes",
                            MAX_MESSAGE,
                            atLeast(max -> max >= TopicProducer.MAX_REQUEST_BYTES),
                            "entries have up to " + TopicProducer.MAX_REQUEST_BYTES + " bytes")),
            "",
            List.of("--topic %s --operation Describe --operation DescribeConfigs --operation Read --operation Write"
                    + " --operation Delete --operation Create"));

    /** The events of a feed. */
    static final TopicRules FEED = new TopicRules(
            "feed",
            6,
            "",
            List.of(
                    twoInSync("an event"),
                    new Setting(
                            "max.message.bytes",
                            Integer.toString(4 << 20),
                            atLeast(max -> max >= KafkaFeed.MIN_MESSAGE_BYTES),
                            "events have up to " + KafkaFeed.MIN_MESSAGE_BYTES + " bytes without a certificate")),
            "",
            FEED_GRANTS);

    /** The positions of the logs in a feed. Small segments are compacted soon, so a new log's start reads little. */
    static final TopicRules POSITIONS = new TopicRules(
            "feed",
            1,
            "because the order of positions matters; stop the backends that feed it, remove the topic and create it,"
                    + " after which each log is fed from its beginning",
            List.of(
                    new Setting("cleanup.policy", "compact", "compact"::equals, "the last position of a log must stay"),
                    twoInSync("a position"),
                    CLEAN_ELECTION,
                    new Setting("segment.bytes", Integer.toString(16 << 20), any -> true, "")),
            POSITIONS_SUFFIX,
            FEED_GRANTS);

    /**
     * A setting of a topic.
     *
     * @param value the value that a new topic gets
     * @param holds whether a topic may have a value
     * @param because why it must
     */
    record Setting(String name, String value, Predicate<String> holds, String because) {}

    private static Setting twoInSync(String what) {
        return new Setting(
                "min.insync.replicas",
                "2",
                atLeast(min -> min >= 2),
                what + " must be on two brokers before it is acknowledged");
    }

    private static Predicate<String> atLeast(LongPredicate holds) {
        return value -> holds.test(Long.parseLong(value));
    }

    /** Returns the settings that a new topic gets. */
    Map<String, String> configuration() {
        return settings.stream().collect(Collectors.toMap(Setting::name, Setting::value));
    }
}
