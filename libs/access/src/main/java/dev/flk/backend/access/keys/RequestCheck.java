// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.access.keys;

import dev.flk.backend.access.keys.Signatures.Authentication;
import dev.flk.program.time.HeardTime;
import dev.flk.signing.message.SignedRequest;
import dev.flk.signing.message.UnacceptableRequest;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/**
 * The check of requests that agents sign (RFC 9421): whose key it is, when it was signed, and that it comes once. Safe
 * for any thread; fast enough for an event loop.
 */
public final class RequestCheck {
    /** The greatest difference between the time of a signature and now. */
    private static final Duration TOLERANCE = Duration.ofMinutes(5);

    private static final int MOST_NONCES = 500_000;
    private static final int MOST_TIMES = 1_000;

    private final Signatures signatures;
    private final InstantSource clock;
    private final Nonces nonces;

    /** The last signed time of each agent, the one that was heard last at the end; guarded by itself. */
    private final Map<String, Heard> times = new LinkedHashMap<>();

    /**
     * A request as it was received.
     *
     * @param target the path and the query, not decoded
     * @param headers returns the values of a header; called with the name of the header in lower case
     */
    public record Received(String method, String target, Function<String, List<String>> headers, byte[] body) {}

    /** Why a request is refused. */
    public enum Refusal {
        /** The request has no signature, or it is not valid. */
        CREDENTIALS,
        /** The key may not sign for this agent. */
        FOREIGN,
        /** The signature was made too long ago, or by a clock that is ahead. */
        AGE,
        /** The signature was used before. */
        REPLAYED,
        /** Too many requests. */
        UNAVAILABLE
    }

    /** The result of a check. */
    public sealed interface Result {
        /**
         * The request may be served.
         *
         * @param nonce the id of the key and the nonce of the request
         */
        record Accepted(String nonce, Instant created) implements Result {}

        record Refused(Refusal why) implements Result {}
    }

    /** @param clock the clock that judges the age of signatures */
    public RequestCheck(Signatures signatures, InstantSource clock) {
        this.signatures = signatures;
        this.clock = clock;
        this.nonces = new Nonces(TOLERANCE.toSeconds(), clock.instant().getEpochSecond(), MOST_NONCES);
    }

    /**
     * Checks a request.
     *
     * @param agent the name of an agent, optionally followed by a slash and further text
     */
    public Result check(Received request, String agent) {
        SignedRequest signed;
        try {
            signed = SignedRequest.parse(request.method(), request.target(), request.headers(), request.body());
        } catch (UnacceptableRequest e) {
            return new Result.Refused(Refusal.CREDENTIALS);
        }
        Authentication authentication = signatures.authenticate(signed, agent);
        if (authentication instanceof Authentication.Refused refused) {
            return new Result.Refused(
                    refused.reason() == SignatureRefusal.FOREIGN_SHARD ? Refusal.FOREIGN : Refusal.CREDENTIALS);
        }
        hear(agent, signed.keyId().text(), signed.created());
        if (!signed.isFresh(clock.instant(), TOLERANCE)) {
            return new Result.Refused(Refusal.AGE);
        }
        return switch (nonces.offer(
                signed.keyId().text(),
                signed.nonce(),
                signed.created().getEpochSecond(),
                clock.instant().getEpochSecond())) {
            case NEW -> new Result.Accepted(signed.keyId().text() + " " + signed.nonce(), signed.created());
            case USED -> new Result.Refused(Refusal.REPLAYED);
            case OUTSIDE_WINDOW -> new Result.Refused(Refusal.AGE);
            case FULL -> new Result.Refused(Refusal.UNAVAILABLE);
        };
    }

    private record Heard(String keyId, HeardTime time) {}

    private void hear(String agent, String keyId, Instant signed) {
        synchronized (times) {
            times.remove(agent);
            times.put(agent, new Heard(keyId, new HeardTime(signed, System.nanoTime())));
            if (times.size() > MOST_TIMES) {
                times.remove(times.keySet().iterator().next());
            }
        }
    }

    /**
     * Returns the last time that each agent has signed, of at most {@value #MOST_TIMES} agents. The signatures are valid,
     * but the times may be wrong, and a request that somebody has recorded may have brought them again.
     */
    public Map<String, HeardTime> times() {
        Map<String, HeardTime> all = new HashMap<>();
        synchronized (times) {
            times.forEach((agent, heard) -> all.put(agent, heard.time()));
        }
        return all;
    }

    /** Returns the agents, of at most {@value #MOST_TIMES}, whose last request had a signature of this key, by name. */
    public List<String> agentsOf(String keyId) {
        synchronized (times) {
            return times.entrySet().stream()
                    .filter(each -> each.getValue().keyId().equals(keyId))
                    .map(Map.Entry::getKey)
                    .sorted()
                    .toList();
        }
    }
}
