// SPDX-License-Identifier: Apache-2.0
package dev.flk.copy.kafka;

import dev.flk.copy.CopyTopic.CopyUnavailableException;
import dev.flk.program.health.Finding;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.LongPredicate;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.errors.TopicExistsException;

/** Checks that a topic keeps what it acknowledges: its replicas, and the settings that remove or lose entries. */
public final class TopicCheck {
    /** The least number of brokers that have the topic. */
    static final short REPLICAS = 3;

    /** What is set for {@code max.message.bytes}: the default of Kafka. */
    static final String MAX_MESSAGE = "1048588";

    private static final List<Rule> RULES = List.of(
            new Rule("cleanup.policy", "delete", "delete"::equals, "compaction would remove entries"),
            new Rule("retention.ms", "-1", "-1"::equals, "only this backend may remove entries"),
            new Rule("retention.bytes", "-1", "-1"::equals, "only this backend may remove entries"),
            new Rule(
                    "min.insync.replicas",
                    "2",
                    atLeast(min -> min >= 2),
                    "an entry must be on two brokers before it is acknowledged"),
            new Rule(
                    "unclean.leader.election.enable",
                    "false",
                    "false"::equals,
                    "a broker that lacks entries must not become the leader"),
            new Rule(
                    "max.message.bytes",
                    MAX_MESSAGE,
                    atLeast(max -> max >= TopicProducer.MAX_REQUEST_BYTES),
                    "entries have up to " + TopicProducer.MAX_REQUEST_BYTES + " bytes"));

    private static final String SUBJECT = "copy";

    private final KafkaSettings settings;
    private final String topic;
    private final TopicCommands commands;

    private record Rule(String name, String value, Predicate<String> holds, String because) {}

    /** @param topic the name, as {@link KafkaSettings#topicOf} returns it */
    public TopicCheck(KafkaSettings settings, String topic) {
        this.settings = settings;
        this.topic = topic;
        this.commands = new TopicCommands(settings, topic);
    }

    /** Returns the settings that a new topic gets. */
    static Map<String, String> configuration() {
        return RULES.stream().collect(Collectors.toMap(Rule::name, Rule::value));
    }

    private static Predicate<String> atLeast(LongPredicate holds) {
        return value -> holds.test(Long.parseLong(value));
    }

    /**
     * Checks the topic within a bounded time. Bad findings are violations of what {@code LOG_COPY} promises.
     *
     * @param mayCreate whether to create the topic if it does not exist
     */
    public List<Finding> run(boolean mayCreate) {
        try {
            return findings(mayCreate);
        } catch (CopyUnavailableException e) {
            return List.of(bad(String.valueOf(e.getMessage())));
        }
    }

    /**
     * Checks the topic like {@link #run}.
     *
     * @throws CopyUnavailableException if the brokers can't be asked
     */
    public List<Finding> findings(boolean mayCreate) {
        List<Finding> found = new ArrayList<>();
        try (TopicAdmin admin = new TopicAdmin(settings, topic, TopicAdmin.CALL)) {
            replicas(existing(admin, mayCreate, found), found);
            configuration(admin.configuration(), found);
        }
        if (found.stream().noneMatch(each -> each.grade() == Finding.Grade.BAD)) {
            found.add(Finding.good(
                    SUBJECT, "topic " + topic + " of Kafka at " + settings.brokers() + " keeps what it acknowledges"));
        }
        return found;
    }

    private TopicDescription existing(TopicAdmin admin, boolean mayCreate, List<Finding> found) {
        Optional<TopicDescription> known = admin.find();
        if (known.isEmpty() && mayCreate) {
            create(admin, found);
        }
        return known.orElseGet(admin::describe);
    }

    private void create(TopicAdmin admin, List<Finding> found) {
        try {
            admin.create(REPLICAS, configuration());
            found.add(Finding.good(SUBJECT, "created topic " + topic + " with " + REPLICAS + " replicas"));
        } catch (CopyUnavailableException e) {
            if (!(e.getCause() instanceof TopicExistsException)) {
                throw new CopyUnavailableException(e.getMessage() + "; or create the topic: " + commands.create(), e);
            }
        }
    }

    private void replicas(TopicDescription description, List<Finding> found) {
        int partitions = description.partitions().size();
        if (partitions != 1) {
            found.add(bad("topic " + topic + " has " + partitions + " partitions, but must have 1, because the order of"
                    + " entries matters; set KAFKA_TOPIC to another name, or remove the topic and create it: "
                    + commands.create()));
        }
        int replicas = description.partitions().get(0).replicas().size();
        int inSync = description.partitions().get(0).isr().size();
        if (replicas < REPLICAS) {
            found.add(bad("topic " + topic + " has a replication factor of " + replicas + ", but must have at least "
                    + REPLICAS + ", because one broker may be down while another one is lost: "
                    + commands.replicate()));
        }
        if (inSync < replicas) {
            found.add(Finding.doubtful(
                    SUBJECT,
                    "topic " + topic + ": only " + inSync + " of its " + replicas + " brokers are in sync; start the"
                            + " others"));
        }
    }

    private void configuration(Config config, List<Finding> found) {
        for (Rule rule : RULES) {
            ConfigEntry entry = config.get(rule.name());
            String value = entry == null ? "" : String.valueOf(entry.value());
            if (value.isEmpty() || !rule.holds().test(value)) {
                found.add(bad("topic " + topic + " has " + rule.name() + "=" + value + ", but " + rule.because() + ": "
                        + commands.set(rule.name(), rule.value())));
            }
        }
    }

    private static Finding bad(String text) {
        return Finding.bad(SUBJECT, text);
    }
}
