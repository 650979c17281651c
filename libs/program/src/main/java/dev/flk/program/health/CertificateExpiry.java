// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.health;

import dev.flk.program.cli.ErrorMessages;
import dev.flk.program.health.Finding.Grade;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.time.Instant;
import java.util.Collection;
import java.util.Comparator;

/**
 * Findings about the expiry of TLS certificates. Their grades change at the same remaining times as the severity of the
 * alert {@code TlsCertificateEnding}.
 */
public final class CertificateExpiry {
    /** The subject of all findings. */
    public static final String SUBJECT = "tls";

    private static final Duration SOON = Duration.ofDays(21);
    private static final Duration VERY_SOON = Duration.ofDays(3);

    private CertificateExpiry() {}

    /** Returns a finding about a chain, which is valid only while all its certificates are valid. */
    public static Finding ofChain(String name, Collection<X509Certificate> chain, Instant now) {
        Instant from = chain.stream()
                .map(each -> each.getNotBefore().toInstant())
                .max(Comparator.naturalOrder())
                .orElseThrow();
        Instant until = chain.stream()
                .map(each -> each.getNotAfter().toInstant())
                .min(Comparator.naturalOrder())
                .orElseThrow();
        return now.isBefore(from)
                ? Finding.bad(
                        SUBJECT,
                        name + " is not valid before " + time(from)
                                + ", so the other side refuses it; correct this machine's clock, or replace it")
                : ofEnd(name, until, now);
    }

    /**
     * Returns a finding about authorities. The authority that expires last decides, because one valid authority is
     * enough.
     */
    public static Finding ofAuthorities(String name, Collection<X509Certificate> authorities, Instant now) {
        return ofEnd(
                name,
                authorities.stream()
                        .map(each -> each.getNotAfter().toInstant())
                        .max(Comparator.naturalOrder())
                        .orElseThrow(),
                now);
    }

    /** Returns a finding about a certificate that is valid until {@code until}. */
    public static Finding ofEnd(String name, Instant until, Instant now) {
        if (now.isAfter(until)) {
            return Finding.bad(SUBJECT, name + " expired on " + time(until) + "; renew it");
        }
        Duration left = Duration.between(now, until);
        if (left.compareTo(SOON) >= 0) {
            return Finding.good(SUBJECT, name + " is valid until " + time(until));
        }
        return new Finding(
                left.compareTo(VERY_SOON) < 0 ? Grade.BAD : Grade.DOUBTFUL,
                SUBJECT,
                name + " expires in " + ErrorMessages.duration(left) + ", on " + time(until) + "; renew it");
    }

    private static String time(Instant time) {
        return ErrorMessages.time(time.toEpochMilli());
    }
}
