// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.heartbeat;

import dev.flk.program.config.Key;
import dev.flk.program.config.Quantities;
import dev.flk.program.config.Settings;
import dev.flk.signing.SigningKey;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/**
 * The settings of the heartbeat.
 *
 * @param every the interval between heartbeats; zero to send none
 * @param agentId the id under which the agent reports; empty for the name of the machine
 * @param key the key that signs heartbeats; empty if certificates are not signed, in which case no heartbeat is sent
 */
public record HeartbeatConfig(Duration every, Optional<String> agentId, Optional<SigningKey> key) {
    private static final Key<Duration> HEARTBEAT = Key.of(
                    "HEARTBEAT",
                    HeartbeatConfig::interval,
                    "How often the agent reports its state to the backend; `0`: never.")
            .or("30s");
    private static final Key<String> AGENT_ID = Key.of(
            "AGENT_ID",
            HeartbeatConfig::agentId,
            "The name under which the agent reports its state. Not set: the name of the machine.");

    /** The settings of the heartbeat, in the order of the docs. */
    public static final List<Key<?>> KEYS = List.of(HEARTBEAT, AGENT_ID);

    private static final Duration SHORTEST = Duration.ofSeconds(1);
    private static final Duration LONGEST = Duration.ofDays(1);
    private static final int MAX_ID_CHARS = 128;

    public static HeartbeatConfig read(Settings settings, Optional<SigningKey> key) {
        Duration every = settings.get(HEARTBEAT);
        settings.unused("HEARTBEAT is 0", every.isZero() ? List.of(AGENT_ID) : List.of());
        return new HeartbeatConfig(every, settings.find(AGENT_ID), key);
    }

    private static Duration interval(String text) {
        return text.equals("0")
                ? Duration.ZERO
                : Quantities.duration(SHORTEST, LONGEST).apply(text);
    }

    private static String agentId(String text) {
        if (text.isBlank()
                || text.length() > MAX_ID_CHARS
                || text.indexOf('/') >= 0
                || text.chars().anyMatch(Character::isISOControl)) {
            throw new IllegalArgumentException(
                    "not a name of 1 to " + MAX_ID_CHARS + " characters without slashes and control characters");
        }
        return text;
    }
}
