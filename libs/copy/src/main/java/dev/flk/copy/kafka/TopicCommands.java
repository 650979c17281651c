// SPDX-License-Identifier: Apache-2.0
package dev.flk.copy.kafka;

import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** The commands of Kafka that create a topic, change it, or remove its content. */
final class TopicCommands {
    private final String server;
    private final String topic;
    private final TopicRules rules;

    TopicCommands(KafkaSettings settings, String topic, TopicRules rules) {
        String connection = "PLAINTEXT".equals(settings.properties().get("security.protocol"))
                ? ""
                : " --command-config client.properties";
        this.server = "--bootstrap-server " + settings.brokers() + connection;
        this.topic = topic;
        this.rules = rules;
    }

    /** Returns the command that creates the topic as {@link TopicCheck} requires it. */
    String create() {
        return "kafka-topics.sh " + server + " --create --topic " + topic + " --partitions " + rules.partitions()
                + " --replication-factor " + TopicRules.REPLICAS
                + new TreeMap<>(rules.configuration())
                        .entrySet().stream().map(each -> " --config " + each).collect(Collectors.joining());
    }

    /** Returns the command that removes the topic. */
    String delete() {
        return "kafka-topics.sh " + server + " --delete --topic " + topic;
    }

    /** Returns the command that removes the entries before an offset. */
    String removeBefore(long offset) {
        return "kafka-delete-records.sh " + server + " --offset-json-file before.json, with before.json"
                + " {\"version\":1,\"partitions\":[{\"topic\":\"" + topic + "\",\"partition\":0,\"offset\":" + offset
                + "}]}";
    }

    /** Returns the command that changes a setting of the topic. */
    String set(String name, String value) {
        return "kafka-configs.sh " + server + " --alter --entity-type topics --entity-name " + topic + " --add-config "
                + Map.entry(name, value);
    }

    /** Returns the commands that allow everything that a backend does. */
    String allow() {
        String name = topic.substring(0, topic.length() - rules.suffix().length());
        return rules.grants().stream()
                .map(each ->
                        "kafka-acls.sh " + server + " --add --allow-principal User:NAME " + each.replace("%s", name))
                .collect(Collectors.joining(" && "));
    }

    /** Returns the command that ends a transaction that nobody else ends. */
    String abort(long startOffset) {
        return "kafka-transactions.sh " + server + " abort --topic " + topic + " --partition 0 --start-offset "
                + startOffset;
    }

    /** Returns the command that places the topic's partition on three brokers. */
    String replicate() {
        return "kafka-reassign-partitions.sh " + server + " --execute --reassignment-json-file replicas.json, with"
                + " replicas.json {\"version\":1,\"partitions\":[{\"topic\":\"" + topic
                + "\",\"partition\":0,\"replicas\":[1,2,3]}]}"
                + (rules.partitions() == 1 ? "" : ", the same for each other partition,")
                + " and the ids of three brokers";
    }
}
