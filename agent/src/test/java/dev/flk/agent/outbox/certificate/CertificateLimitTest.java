// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox.certificate;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Collections;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class CertificateLimitTest {
    /** The heap of {@code -Xmx64m -XX:+UseSerialGC}, as the JVM reports it. */
    private static final long PACKAGED_HEAP = 64_880_640;

    private static final int BACKENDS_DEFAULT = 1 << 20;

    @Test
    void bytes_heapOfThePackage_isAtLeastABackendsDefault() {
        assertThat(CertificateLimit.bytes(PACKAGED_HEAP)).isGreaterThan(BACKENDS_DEFAULT);
    }

    @Test
    void bytes_largeHeap_isEightMebibytes() {
        assertThat(CertificateLimit.bytes(1L << 40)).isEqualTo(8 << 20);
    }

    @Test
    void parsing_severalThreads_sumsWhatIsUnderWay() throws Exception {
        AtomicLong underWay = new AtomicLong();
        int each = CertificateLimit.BYTES / 2;
        Callable<Boolean> parse = () -> CertificateLimit.parsing(each, () -> {
            boolean fits = underWay.addAndGet(each) <= CertificateLimit.BYTES;
            Thread.yield();
            underWay.addAndGet(-each);
            return fits;
        });
        ExecutorService threads = Executors.newFixedThreadPool(8);
        try {
            List<Future<Boolean>> fits = threads.invokeAll(Collections.nCopies(200, parse));

            for (Future<Boolean> one : fits) {
                assertThat(one.get()).isTrue();
            }
        } finally {
            threads.shutdown();
        }
    }
}
