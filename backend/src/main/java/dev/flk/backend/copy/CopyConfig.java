// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.copy;

import dev.flk.copy.kafka.KafkaSettings;
import dev.flk.copy.kafka.TopicCheck;
import dev.flk.program.config.Key;
import dev.flk.program.config.Quantities;
import dev.flk.program.config.Settings;
import dev.flk.program.health.Finding;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * The configuration of the copy of the log.
 *
 * @param kafka the brokers
 * @param topic the topic of this log
 * @param isRequired whether only what is copied is answered
 * @param takeOver whether to claim a log whose owner may be alive
 */
public record CopyConfig(KafkaSettings kafka, String topic, boolean isRequired, boolean takeOver) {
    private static final Key<Boolean> LOG_COPY = Key.of(
                    "LOG_COPY",
                    CopyConfig::isKafka,
                    "`kafka`: the log is copied to a topic, and a certificate is answered once at least two brokers"
                            + " have it; or `off`.")
            .or("off");
    private static final Key<Boolean> LOG_COPY_REQUIRED = Key.of(
                    "LOG_COPY_REQUIRED",
                    Quantities::onOrOff,
                    "`off`: certificates are answered before they are copied, and the newest can be lost with the"
                            + " machine.")
            .or("on");

    /** The settings of the copy, in the order of the docs; those of Kafka are {@link KafkaSettings#KEYS}. */
    public static final List<Key<?>> KEYS = List.of(LOG_COPY, LOG_COPY_REQUIRED);

    private static boolean isKafka(String text) {
        return switch (text.toLowerCase(Locale.ROOT)) {
            case "kafka" -> true;
            case "off" -> false;
            default -> throw new IllegalArgumentException("not kafka or off");
        };
    }

    /**
     * Reads the settings; returns empty if the log is not copied.
     *
     * @param isNamed whether the name of the log is configured, and so stays the same on another machine
     */
    public static Optional<CopyConfig> read(Settings settings, String logName, boolean isNamed) {
        if (!settings.get(LOG_COPY)) {
            settings.unused("LOG_COPY is off", List.of(LOG_COPY_REQUIRED));
            return Optional.empty();
        }
        settings.require(
                isNamed,
                "LOG_NAME: not set; LOG_COPY=kafka needs it, because the topic is named after it; earlier versions took"
                        + " the host's name");
        KafkaSettings kafka = KafkaSettings.read(settings, "LOG_COPY=kafka");
        return Optional.of(new CopyConfig(kafka, kafka.topicOf(logName), settings.get(LOG_COPY_REQUIRED), false));
    }

    /** Returns this configuration for a start that claims the log even if its owner may be alive. */
    public CopyConfig takingOver() {
        return new CopyConfig(kafka, topic, isRequired, true);
    }

    /** Checks the topic within a bounded time, without changing it; see {@link TopicCheck}. */
    public List<Finding> findings() {
        return new TopicCheck(kafka, topic).run(false);
    }
}
