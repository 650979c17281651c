// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;

/**
 * The records of the outbox's log.
 *
 * <pre>
 * kind   body
 * c      a certificate as it was taken in, JSON in UTF-8; the record's sequence is the entry's
 * s      settled: the sequences of entries that are done, decimal, separated by one space
 * u      first sent without an answer: a sequence, one space, milliseconds since 1970
 * </pre>
 */
final class OutboxRecords {
    static final char CERTIFICATE = 'c';
    static final char SETTLED = 's';
    static final char UNANSWERED = 'u';
    static final String PREFIX = "outbox";
    /** No record of the outbox has a key: certificates are signed when they are sent. */
    static final String NO_KEY = "-";

    private OutboxRecords() {}

    static byte[] numbers(List<Long> numbers) {
        return numbers.stream()
                .map(String::valueOf)
                .collect(Collectors.joining(" "))
                .getBytes(StandardCharsets.US_ASCII);
    }

    static long[] numbers(byte[] body) {
        String text = new String(body, StandardCharsets.US_ASCII);
        return Arrays.stream(text.split(" ")).mapToLong(Long::parseLong).toArray();
    }
}
