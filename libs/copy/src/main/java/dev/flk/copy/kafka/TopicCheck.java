// SPDX-License-Identifier: Apache-2.0
package dev.flk.copy.kafka;

import dev.flk.copy.CopyTopic.CopyUnavailableException;
import dev.flk.program.health.Finding;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.TopicPartitionInfo;
import org.apache.kafka.common.errors.TopicExistsException;

/** Checks that a topic keeps what it acknowledges: its replicas, and the settings that remove or lose entries. */
public final class TopicCheck {
    private final KafkaSettings settings;
    private final String topic;
    private final TopicRules rules;
    private final TopicCommands commands;

    /**
     * Creates a check of the topic of a copy.
     *
     * @param topic the name, as {@link KafkaSettings#topicOf} returns it
     */
    public TopicCheck(KafkaSettings settings, String topic) {
        this(settings, topic, TopicRules.COPY);
    }

    TopicCheck(KafkaSettings settings, String topic, TopicRules rules) {
        this.settings = settings;
        this.topic = topic;
        this.rules = rules;
        this.commands = new TopicCommands(settings, topic, rules);
    }

    /**
     * Checks the topic within a bounded time. A bad finding violates a promise of the feature that uses the topic.
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
        try (TopicAdmin admin = new TopicAdmin(settings, topic, rules, TopicAdmin.CALL)) {
            replicas(existing(admin, mayCreate, found), found);
            configuration(admin.configuration(), found);
        }
        if (found.stream().noneMatch(each -> each.grade() == Finding.Grade.BAD)) {
            found.add(Finding.good(
                    rules.subject(),
                    "topic " + topic + " of Kafka at " + settings.brokers() + " keeps what it acknowledges"));
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
            admin.create(TopicRules.REPLICAS, rules.configuration());
            found.add(Finding.good(
                    rules.subject(), "created topic " + topic + " with " + TopicRules.REPLICAS + " replicas"));
        } catch (CopyUnavailableException e) {
            if (!(e.getCause() instanceof TopicExistsException)) {
                throw new CopyUnavailableException(e.getMessage() + "; or create the topic: " + commands.create(), e);
            }
        }
    }

    private void replicas(TopicDescription description, List<Finding> found) {
        int partitions = description.partitions().size();
        if (partitions != 1 && !rules.onePartition().isEmpty()) {
            found.add(bad("topic " + topic + " has " + partitions + " partitions, but must have 1, "
                    + rules.onePartition() + ": " + commands.create()));
        }
        int replicas = description.partitions().stream()
                .mapToInt(each -> each.replicas().size())
                .min()
                .orElse(0);
        if (replicas < TopicRules.REPLICAS) {
            found.add(bad("topic " + topic + " has a replication factor of " + replicas + ", but must have at least "
                    + TopicRules.REPLICAS + ", because one broker may be down while another one is lost: "
                    + commands.replicate()));
        }
        for (TopicPartitionInfo each : description.partitions()) {
            if (each.isr().size() < each.replicas().size()) {
                found.add(Finding.doubtful(
                        rules.subject(),
                        "topic " + topic + ": only " + each.isr().size() + " of its "
                                + each.replicas().size() + " brokers are in sync; start the others"));
                return;
            }
        }
    }

    private void configuration(Config config, List<Finding> found) {
        for (TopicRules.Setting rule : rules.settings()) {
            ConfigEntry entry = config.get(rule.name());
            String value = entry == null ? "" : String.valueOf(entry.value());
            if (value.isEmpty() || !rule.holds().test(value)) {
                found.add(bad("topic " + topic + " has " + rule.name() + "=" + value + ", but " + rule.because() + ": "
                        + commands.set(rule.name(), rule.value())));
            }
        }
    }

    private Finding bad(String text) {
        return Finding.bad(rules.subject(), text);
    }
}
