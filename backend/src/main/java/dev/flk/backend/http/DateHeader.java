// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import java.time.Instant;
import java.time.InstantSource;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Locale;

/** The {@code Date} of an answer, formatted once a second. Owned by one event loop. */
final class DateHeader {
    /** IMF-fixdate; the JDK's own RFC 1123 format leaves out the zero of a one-digit day. */
    private static final DateTimeFormatter FORMAT = DateTimeFormatter.ofPattern(
                    "EEE, dd MMM yyyy HH:mm:ss 'GMT'", Locale.US)
            .withZone(ZoneOffset.UTC);

    private final InstantSource clock;
    private long second = Long.MIN_VALUE;
    private String text = "";

    DateHeader(InstantSource clock) {
        this.clock = clock;
    }

    String now() {
        Instant now = clock.instant();
        if (now.getEpochSecond() != second) {
            second = now.getEpochSecond();
            text = FORMAT.format(now);
        }
        return text;
    }
}
