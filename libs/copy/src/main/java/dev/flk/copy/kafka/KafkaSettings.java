// SPDX-License-Identifier: Apache-2.0
package dev.flk.copy.kafka;

import static dev.flk.program.config.Quantities.matching;

import dev.flk.program.config.Key;
import dev.flk.program.config.Quantities;
import dev.flk.program.config.Secret;
import dev.flk.program.config.Settings;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.regex.Pattern;

/**
 * The brokers of Kafka, and how to connect to them.
 *
 * @param brokers the brokers as {@code host:port}, separated by commas; a client finds the others through them
 * @param topic the beginning of the names of topics
 * @param properties the settings of Kafka's clients by the names that these have, such as {@code security.protocol}
 * @param secrets the settings of Kafka's clients that are not shown
 */
public record KafkaSettings(String brokers, String topic, Map<String, String> properties, Map<String, Secret> secrets) {
    private static final String PREFIX = "KAFKA_";
    private static final String HOST = "([^\\s,:/\\[\\]]+|\\[[0-9A-Fa-f:.%]+\\]):[0-9]{1,5}";
    private static final Pattern BROKERS = Pattern.compile(HOST + "(," + HOST + ")*");
    private static final Pattern TOPIC = Pattern.compile("[A-Za-z0-9._-]{1,140}");
    private static final String PLAIN = "PLAIN";
    private static final String NO_ALGORITHM = "none";

    private static final Key<String> KAFKA_BROKERS = Key.of(
            "KAFKA_BROKERS",
            KafkaSettings::brokers,
            "Brokers of Kafka as `host:port`, separated by commas; some of them are enough.");
    private static final Key<String> KAFKA_TOPIC = Key.of(
                    "KAFKA_TOPIC",
                    matching(TOPIC, "not 1 to 140 letters, digits, dots, hyphens or underscores"),
                    "The topic of the log is this, a dot, and `LOG_NAME`.")
            .or("flk.inbox");
    private static final Key<String> KAFKA_SECURITY_PROTOCOL = Key.of(
                    "KAFKA_SECURITY_PROTOCOL",
                    oneOf("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"),
                    "How to connect to Kafka: `PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`.")
            .or("PLAINTEXT");
    private static final Key<String> KAFKA_SASL_MECHANISM = Key.of(
            "KAFKA_SASL_MECHANISM",
            oneOf(PLAIN, "SCRAM-SHA-256", "SCRAM-SHA-512"),
            "How to log in to Kafka: `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`.");
    private static final Key<Secret> KAFKA_SASL_JAAS_CONFIG = secret(
            "KAFKA_SASL_JAAS_CONFIG",
            "The login: `org.apache.kafka.common.security.scram.ScramLoginModule required username=\"…\""
                    + " password=\"…\";`, or `…plain.PlainLoginModule …`.");
    private static final Key<String> KAFKA_SSL_TRUSTSTORE_LOCATION = file(
                    "KAFKA_SSL_TRUSTSTORE_LOCATION", "A file with the authority of the brokers' certificates.")
            .derived("the JDK's authorities");
    private static final Key<Secret> KAFKA_SSL_TRUSTSTORE_PASSWORD =
            secret("KAFKA_SSL_TRUSTSTORE_PASSWORD", "Its password, unless it is PEM.");
    private static final Key<String> KAFKA_SSL_TRUSTSTORE_TYPE =
            storeType("KAFKA_SSL_TRUSTSTORE_TYPE", "Its format: `JKS`, `PKCS12` or `PEM`.");
    private static final Key<String> KAFKA_SSL_KEYSTORE_LOCATION = file(
            "KAFKA_SSL_KEYSTORE_LOCATION",
            "A file with this backend's certificate and private key, if the brokers ask for one.");
    private static final Key<Secret> KAFKA_SSL_KEYSTORE_PASSWORD =
            secret("KAFKA_SSL_KEYSTORE_PASSWORD", "Its password, unless it is PEM.");
    private static final Key<String> KAFKA_SSL_KEYSTORE_TYPE =
            storeType("KAFKA_SSL_KEYSTORE_TYPE", "Its format: `JKS`, `PKCS12` or `PEM`.");
    private static final Key<Secret> KAFKA_SSL_KEY_PASSWORD =
            secret("KAFKA_SSL_KEY_PASSWORD", "The password of the private key, if it has one.");
    private static final Key<String> KAFKA_SSL_ENDPOINT_IDENTIFICATION_ALGORITHM = Key.of(
                    "KAFKA_SSL_ENDPOINT_IDENTIFICATION_ALGORITHM",
                    oneOf("https", NO_ALGORITHM),
                    "Whether certificates must be for the brokers' names: `https`, or `none`.")
            .or("https");
    private static final Key<String> KAFKA_CLIENT_DNS_LOOKUP = Key.of(
                    "KAFKA_CLIENT_DNS_LOOKUP",
                    oneOf("use_all_dns_ips", "resolve_canonical_bootstrap_servers_only"),
                    "How the names of brokers are resolved; see Kafka's `client.dns.lookup`.")
            .or("use_all_dns_ips");

    private static final List<Key<?>> SASL = List.of(KAFKA_SASL_MECHANISM, KAFKA_SASL_JAAS_CONFIG);
    private static final List<Key<?>> SSL = List.of(
            KAFKA_SSL_TRUSTSTORE_LOCATION,
            KAFKA_SSL_TRUSTSTORE_PASSWORD,
            KAFKA_SSL_TRUSTSTORE_TYPE,
            KAFKA_SSL_KEYSTORE_LOCATION,
            KAFKA_SSL_KEYSTORE_PASSWORD,
            KAFKA_SSL_KEYSTORE_TYPE,
            KAFKA_SSL_KEY_PASSWORD,
            KAFKA_SSL_ENDPOINT_IDENTIFICATION_ALGORITHM);

    /** The settings in the order of the docs. */
    public static final List<Key<?>> KEYS = keys();

    public KafkaSettings {
        properties = Collections.unmodifiableMap(new TreeMap<>(properties));
        secrets = Collections.unmodifiableMap(new TreeMap<>(secrets));
    }

    private static List<Key<?>> keys() {
        List<Key<?>> keys = new ArrayList<>(List.of(KAFKA_BROKERS, KAFKA_TOPIC, KAFKA_SECURITY_PROTOCOL));
        keys.addAll(SASL);
        keys.addAll(SSL);
        keys.add(KAFKA_CLIENT_DNS_LOOKUP);
        return List.copyOf(keys);
    }

    /**
     * Reads the settings.
     *
     * @param neededBy the setting and value that need the brokers
     */
    public static KafkaSettings read(Settings settings, String neededBy) {
        settings.require(
                settings.isGiven(KAFKA_BROKERS),
                "KAFKA_BROKERS: not set, and " + neededBy + " needs it, like host1:9092,host2:9092,host3:9092");
        String protocol = settings.get(KAFKA_SECURITY_PROTOCOL);
        List<Key<?>> used = new ArrayList<>(List.of(KAFKA_SECURITY_PROTOCOL, KAFKA_CLIENT_DNS_LOOKUP));
        String because = "KAFKA_SECURITY_PROTOCOL is " + protocol;
        if (protocol.startsWith("SASL")) {
            used.addAll(SASL);
            String needs = ": not set, and KAFKA_SECURITY_PROTOCOL=" + protocol + " needs it, like ";
            settings.require(settings.isGiven(KAFKA_SASL_MECHANISM), KAFKA_SASL_MECHANISM + needs + "SCRAM-SHA-512");
            settings.require(
                    settings.isGiven(KAFKA_SASL_JAAS_CONFIG),
                    KAFKA_SASL_JAAS_CONFIG + needs
                            + loginModule(settings.find(KAFKA_SASL_MECHANISM).orElse(""))
                            + " required username=\"name\" password=\"password\";");
        } else {
            settings.unused(because, SASL);
        }
        if (protocol.endsWith("SSL")) {
            used.addAll(SSL);
            requireReadable(settings, KAFKA_SSL_TRUSTSTORE_LOCATION);
            requireReadable(settings, KAFKA_SSL_KEYSTORE_LOCATION);
        } else {
            settings.unused(because, SSL);
        }
        Map<String, String> properties = new HashMap<>();
        Map<String, Secret> secrets = new HashMap<>();
        for (Key<?> key : used) {
            settings.find(key).ifPresent(value -> {
                if (value instanceof Secret secret) {
                    secrets.put(clientName(key), secret);
                } else {
                    properties.put(clientName(key), value.equals(NO_ALGORITHM) ? "" : value.toString());
                }
            });
        }
        return new KafkaSettings(
                settings.find(KAFKA_BROKERS).orElse(""), settings.get(KAFKA_TOPIC), properties, secrets);
    }

    private static void requireReadable(Settings settings, Key<String> file) {
        settings.find(file)
                .ifPresent(name -> settings.require(
                        Files.isReadable(Path.of(name)),
                        file + ": " + name + " does not exist, or this process may not read it"));
    }

    /** Returns the name of the topic of a log. */
    public String topicOf(String logName) {
        return topic + "." + logName;
    }

    /** Returns the name of the setting of Kafka's clients. */
    static String clientName(Key<?> key) {
        return key.name().substring(PREFIX.length()).toLowerCase(Locale.ROOT).replace('_', '.');
    }

    private static String loginModule(String mechanism) {
        return mechanism.equals(PLAIN)
                ? "org.apache.kafka.common.security.plain.PlainLoginModule"
                : "org.apache.kafka.common.security.scram.ScramLoginModule";
    }

    private static String brokers(String text) {
        String brokers = text.replace(" ", "");
        String matched = matching(BROKERS, "not host:port, or several of them separated by commas")
                .apply(brokers);
        for (String broker : Quantities.commaSeparated(matched)) {
            int unused = Quantities.port(broker.substring(broker.lastIndexOf(':') + 1));
        }
        return matched;
    }

    private static Function<String, String> oneOf(String... values) {
        List<String> known = List.of(values);
        return text -> known.stream()
                .filter(value -> value.equalsIgnoreCase(text))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("not one of " + String.join(", ", known)));
    }

    private static Key<Secret> secret(String name, String sentence) {
        return Key.of(name, Secret::new, sentence).secret();
    }

    private static Key<String> file(String name, String sentence) {
        return Key.of(name, text -> Quantities.path(text).toString(), sentence).fileName();
    }

    private static Key<String> storeType(String name, String sentence) {
        return Key.of(name, oneOf("JKS", "PKCS12", "PEM"), sentence).or("JKS");
    }
}
