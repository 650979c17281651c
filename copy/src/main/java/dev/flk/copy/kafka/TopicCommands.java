// SPDX-License-Identifier: Apache-2.0
package dev.flk.copy.kafka;

import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** The commands of Kafka that create the topic, or change it. */
final class TopicCommands {
    private final String server;
    private final String topic;

    TopicCommands(KafkaSettings settings, String topic) {
        String connection = "PLAINTEXT".equals(settings.properties().get("security.protocol"))
                ? ""
                : " --command-config client.properties";
        this.server = "--bootstrap-server " + settings.brokers() + connection;
        this.topic = topic;
    }

    /** Returns the command that creates the topic as {@link TopicCheck} requires it. */
    String create() {
        return "kafka-topics.sh " + server + " --create --topic " + topic + " --partitions 1 --replication-factor "
                + TopicCheck.REPLICAS
                + new TreeMap<>(TopicCheck.configuration())
                        .entrySet().stream().map(each -> " --config " + each).collect(Collectors.joining());
    }

    /** Returns the command that changes a setting of the topic. */
    String set(String name, String value) {
        return "kafka-configs.sh " + server + " --alter --entity-type topics --entity-name " + topic + " --add-config "
                + Map.entry(name, value);
    }

    /** Returns the command that allows everything that a backend does with the topic. */
    String allow() {
        return "kafka-acls.sh " + server + " --add --allow-principal User:NAME --topic " + topic
                + " --operation Describe --operation DescribeConfigs --operation Read --operation Write"
                + " --operation Delete --operation Create";
    }

    /** Returns the command that places the topic's partition on three brokers. */
    String replicate() {
        return "kafka-reassign-partitions.sh " + server + " --execute --reassignment-json-file replicas.json, with"
                + " replicas.json {\"version\":1,\"partitions\":[{\"topic\":\"" + topic
                + "\",\"partition\":0,\"replicas\":[1,2,3]}]} and the ids of three brokers";
    }
}
