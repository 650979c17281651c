// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import java.net.http.HttpHeaders;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * The state of a backend's keys when it answered, as the headers of the answer name it. Two answers with the same
 * values come from the same process, which has accepted the same signatures at both times and all the time in between.
 *
 * @param instance the id of the process, 16 hex digits
 * @param state the state of its keys, 16 hex digits, which mean nothing to an agent
 */
public record BackendKeys(String instance, String state) {
    private static final Pattern DIGITS = Pattern.compile("[0-9a-f]{16}");

    /** Reads the headers; returns empty if an older backend sends none, or a proxy has removed or changed them. */
    static Optional<BackendKeys> of(HttpHeaders headers) {
        return digits(headers, "X-Flk-Instance")
                .flatMap(instance -> digits(headers, "X-Flk-Keys").map(state -> new BackendKeys(instance, state)));
    }

    private static Optional<String> digits(HttpHeaders headers, String name) {
        return headers.firstValue(name).filter(text -> DIGITS.matcher(text).matches());
    }
}
