// SPDX-License-Identifier: Apache-2.0
package dev.flk.copy.kafka;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.program.config.Secret;
import dev.flk.program.config.Settings;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.common.config.ConfigDef;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class KafkaSettingsTest {
    private static final String LOGIN = "org.apache.kafka.common.security.scram.ScramLoginModule required"
            + " username=\"flk\" password=\"do-not-print-me\";";

    private static Map<String, String> with(String... namesAndValues) {
        Map<String, String> values = new HashMap<>(Map.of("KAFKA_BROKERS", "one:9092, [::1]:9093"));
        for (int i = 0; i < namesAndValues.length; i += 2) {
            values.put(namesAndValues[i], namesAndValues[i + 1]);
        }
        return values;
    }

    private static Settings settings(Map<String, String> values) {
        return new Settings(KafkaSettings.KEYS, values, null);
    }

    private static KafkaSettings read(Map<String, String> values) {
        Settings settings = settings(values);
        KafkaSettings read = KafkaSettings.read(settings, "LOG_COPY=kafka");
        settings.check();
        return read;
    }

    @Test
    void brokersOnly_areEnough() {
        KafkaSettings read = read(with());

        assertThat(read.brokers()).isEqualTo("one:9092,[::1]:9093");
        assertThat(read.topicOf("host-1")).isEqualTo("flk.inbox.host-1");
        assertThat(read.properties())
                .containsOnly(
                        Map.entry("security.protocol", "PLAINTEXT"), Map.entry("client.dns.lookup", "use_all_dns_ips"));
        assertThat(read.secrets()).isEmpty();
    }

    @Test
    void tlsAndLogin_haveTheNamesOfTheClient_andSecretsAreNotShown(@TempDir Path directory) throws Exception {
        Path login = Files.writeString(directory.resolve("login"), LOGIN + "\n");
        String trusted = Files.createFile(directory.resolve("brokers.pem")).toString();
        String own = Files.createFile(directory.resolve("own.p12")).toString();
        KafkaSettings read = read(with(
                "KAFKA_SECURITY_PROTOCOL", "sasl_ssl",
                "KAFKA_SASL_MECHANISM", "scram-sha-512",
                "KAFKA_SASL_JAAS_CONFIG_FILE", login.toString(),
                "KAFKA_SSL_TRUSTSTORE_LOCATION", trusted,
                "KAFKA_SSL_TRUSTSTORE_TYPE", "pem",
                "KAFKA_SSL_KEYSTORE_LOCATION", own,
                "KAFKA_SSL_KEYSTORE_TYPE", "PKCS12",
                "KAFKA_SSL_KEYSTORE_PASSWORD", "do-not-print-me",
                "KAFKA_SSL_ENDPOINT_IDENTIFICATION_ALGORITHM", "none",
                "KAFKA_TOPIC", "copies"));

        assertThat(read.topicOf("a")).isEqualTo("copies.a");
        assertThat(read.properties())
                .containsOnly(
                        Map.entry("security.protocol", "SASL_SSL"),
                        Map.entry("client.dns.lookup", "use_all_dns_ips"),
                        Map.entry("sasl.mechanism", "SCRAM-SHA-512"),
                        Map.entry("ssl.truststore.location", trusted),
                        Map.entry("ssl.truststore.type", "PEM"),
                        Map.entry("ssl.keystore.location", own),
                        Map.entry("ssl.keystore.type", "PKCS12"),
                        Map.entry("ssl.endpoint.identification.algorithm", ""));
        assertThat(read.secrets())
                .containsOnly(
                        Map.entry("sasl.jaas.config", new Secret(LOGIN)),
                        Map.entry("ssl.keystore.password", new Secret("do-not-print-me")));
        assertThat(read.toString()).doesNotContain("do-not-print-me");
    }

    @Test
    void settings_areOfKafkasClient() {
        Map<String, ConfigDef.ConfigKey> known =
                org.apache.kafka.clients.producer.ProducerConfig.configDef().configKeys();
        assertThat(KafkaSettings.KEYS.stream().map(KafkaSettings::clientName).filter(name -> !name.equals("topic")))
                .allMatch(name -> name.equals("brokers") || known.containsKey(name));
    }

    @Test
    void missingAndUselessSettings_areReported() {
        Settings missing = settings(Map.of("KAFKA_SECURITY_PROTOCOL", "SASL_SSL", "KAFKA_SASL_MECHANISM", "PLAIN"));
        KafkaSettings.read(missing, "LOG_COPY=kafka");
        assertThat(missing.problems())
                .containsExactly(
                        "KAFKA_BROKERS: not set, and LOG_COPY=kafka needs it, like host1:9092,host2:9092,host3:9092",
                        "KAFKA_SASL_JAAS_CONFIG: not set, and KAFKA_SECURITY_PROTOCOL=SASL_SSL needs it, like"
                                + " org.apache.kafka.common.security.plain.PlainLoginModule required username=\"name\""
                                + " password=\"password\";");

        Settings useless = settings(with(
                "KAFKA_SASL_MECHANISM", "PLAIN",
                "KAFKA_SSL_TRUSTSTORE_LOCATION", "/etc/flk/brokers.pem"));
        KafkaSettings.read(useless, "LOG_COPY=kafka");
        assertThat(useless.problems()).isEmpty();
        assertThat(useless.warnings())
                .containsExactly(
                        "KAFKA_SASL_MECHANISM: has no effect, because KAFKA_SECURITY_PROTOCOL is PLAINTEXT",
                        "KAFKA_SSL_TRUSTSTORE_LOCATION: has no effect, because KAFKA_SECURITY_PROTOCOL is PLAINTEXT");
    }

    @Test
    void malformedBrokers_areReported() {
        for (String text : new String[] {"one", "one:", "one:99999", "one:9092,", "PLAINTEXT://one:9092", ":9092"}) {
            Settings malformed = settings(Map.of("KAFKA_BROKERS", text));
            KafkaSettings.read(malformed, "LOG_COPY=kafka");
            assertThat(malformed.problems()).singleElement().asString().contains("KAFKA_BROKERS", text);
        }
    }
}
