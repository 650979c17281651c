// SPDX-License-Identifier: Apache-2.0
package dev.flk.copy.kafka;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.flk.copy.CopyTopic.CopyUnavailableException;
import dev.flk.program.config.InvalidConfig;
import dev.flk.program.config.Settings;
import dev.flk.program.health.Finding;
import dev.flk.testkit.KafkaCluster;
import dev.flk.testkit.TestAuthority;
import dev.flk.testkit.TestAuthority.Issued;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests of a broker that requires TLS, with certificates of both sides. */
class KafkaTlsTest {
    @TempDir
    private static Path directory;

    private static Path authority;
    private static Path own;
    private static KafkaCluster broker;

    @BeforeAll
    static void startBroker() throws IOException {
        TestAuthority issuer = TestAuthority.named("brokers");
        authority = issuer.writeTo(directory.resolve("authority.pem"));
        Path its = pem("broker.pem", issuer.issue("localhost", "localhost"));
        own = pem("own.pem", issuer.issue("backend", "backend"));
        broker = KafkaCluster.startTls(Map.of(
                "ssl.keystore.type", "PEM",
                "ssl.keystore.location", its.toString(),
                "ssl.truststore.type", "PEM",
                "ssl.truststore.location", authority.toString(),
                "ssl.client.auth", "required"));
    }

    @AfterAll
    static void stopBroker() {
        broker.close();
    }

    private static Path pem(String name, Issued issued) throws IOException {
        return Files.writeString(directory.resolve(name), issued.keyPem() + issued.certificatePem());
    }

    private static KafkaSettings settings(String... more) {
        Map<String, String> values = new HashMap<>(Map.of(
                "KAFKA_BROKERS", broker.addresses(),
                "KAFKA_SECURITY_PROTOCOL", "SSL",
                "KAFKA_SSL_TRUSTSTORE_TYPE", "PEM",
                "KAFKA_SSL_TRUSTSTORE_LOCATION", authority.toString(),
                "KAFKA_SSL_KEYSTORE_TYPE", "PEM"));
        for (int i = 0; i < more.length; i += 2) {
            values.put(more[i], more[i + 1]);
        }
        Settings settings = new Settings(KafkaSettings.KEYS, values, null);
        KafkaSettings read = KafkaSettings.read(settings, "LOG_COPY=kafka");
        settings.check();
        return read;
    }

    @Test
    void certificateThatTheBrokerKnows_isAccepted() {
        List<Finding> found =
                new TopicCheck(settings("KAFKA_SSL_KEYSTORE_LOCATION", own.toString()), "flk.inbox.one").run(true);

        assertThat(found)
                .extracting(Finding::text)
                .singleElement()
                .asString()
                .contains("only 1 broker(s) are registered", "at least 3 brokers must run", "kafka-topics.sh");
    }

    @Test
    void noCertificate_isReported() {
        try (KafkaTopic topic = new KafkaTopic(settings(), "flk.inbox.one")) {
            assertThatThrownBy(topic::identity)
                    .isInstanceOf(CopyUnavailableException.class)
                    .hasMessageContaining("the TLS handshake failed");
        }
    }

    @Test
    void brokerOfAnotherAuthority_isReported() throws IOException {
        Path another = TestAuthority.named("others").writeTo(directory.resolve("another.pem"));
        KafkaSettings settings = settings("KAFKA_SSL_TRUSTSTORE_LOCATION", another.toString());
        try (KafkaTopic topic = new KafkaTopic(settings, "flk.inbox.one")) {
            assertThatThrownBy(topic::identity)
                    .isInstanceOf(CopyUnavailableException.class)
                    .hasMessageContaining("the TLS handshake failed: unable to find valid certification path")
                    .hasMessageContaining("check KAFKA_SSL_TRUSTSTORE_LOCATION");
        }
    }

    @Test
    void missingFile_isReported() {
        assertThatThrownBy(() -> settings("KAFKA_SSL_KEYSTORE_LOCATION", "/no/such/file"))
                .isInstanceOf(InvalidConfig.class)
                .hasMessageContaining("KAFKA_SSL_KEYSTORE_LOCATION: /no/such/file does not exist");
    }
}
