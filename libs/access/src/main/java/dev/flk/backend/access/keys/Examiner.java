// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.access.keys;

import dev.flk.backend.access.keys.Signatures.ReasonConsumer;
import dev.flk.program.time.DaemonThreads;
import java.util.Optional;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A thread that finds the key that made a refused signature. It tries all keys of the signature's algorithm, which may
 * be thousands. After each certificate, it rests 19 times as long as it worked, but at most a second, to limit the load
 * that senders without a key can cause. At most {@value #MAX_WAITING} certificates wait for the thread. A further
 * certificate, or one whose signed text has more than {@value #MAX_BYTES} bytes, is not examined; the reported reason
 * is {@link SignatureRefusal#NOT_EXAMINED}.
 */
final class Examiner implements AutoCloseable {
    /**
     * The maximum size of a signed text that is examined, in bytes. A certificate that follows the rules of the format
     * has a shorter signed text.
     */
    static final int MAX_BYTES = 4096;

    static final int MAX_WAITING = 256;
    private static final int REST_FOR_WORK = 19;
    private static final long LONGEST_REST_NANOS = TimeUnit.SECONDS.toNanos(1);
    private static final Logger LOG = LoggerFactory.getLogger(Examiner.class);

    private final LongSupplier nanoTicker;
    private final ThreadPoolExecutor thread = new ThreadPoolExecutor(
            1, 1, 0, TimeUnit.SECONDS, new ArrayBlockingQueue<>(MAX_WAITING), DaemonThreads.named("keys-examiner"));

    Examiner(LongSupplier nanoTicker) {
        this.nanoTicker = nanoTicker;
    }

    /**
     * A refused certificate: its signed text, shard and signature, the time when the examination was requested, and the
     * keys that were in force at this time.
     */
    record Refused(KeyRegistry registry, byte[] canonical, String shard, String sig, long nowMillis) {}

    void examine(Refused refused, ReasonConsumer consumer) {
        if (refused.canonical().length > MAX_BYTES) {
            consumer.because(SignatureRefusal.NOT_EXAMINED, null);
            return;
        }
        try {
            thread.execute(() -> look(refused, consumer));
        } catch (RejectedExecutionException e) {
            consumer.because(SignatureRefusal.NOT_EXAMINED, null);
        }
    }

    private void look(Refused refused, ReasonConsumer consumer) {
        long began = nanoTicker.getAsLong();
        try {
            Optional<KeyEntry> signer = refused.registry().signer(refused.canonical(), refused.sig());
            if (signer.isPresent()) {
                KeyEntry key = signer.get();
                consumer.because(KeyRegistry.why(key, refused.shard(), refused.nowMillis()), key.id());
            } else {
                consumer.because(SignatureRefusal.UNKNOWN_KEY, null);
            }
        } catch (RuntimeException e) {
            LOG.error(
                    "examining a refused signature failed; flk_signature_refused_total does not count this refusal", e);
        }
        rest(nanoTicker.getAsLong() - began);
    }

    private static void rest(long workNanos) {
        try {
            TimeUnit.NANOSECONDS.sleep(Math.min(LONGEST_REST_NANOS, REST_FOR_WORK * workNanos));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt(); // close() was called
        }
    }

    @Override
    public void close() {
        thread.shutdownNow(); // interrupting the thread is safe, because it has no file open
    }
}
