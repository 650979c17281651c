// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import dev.flk.agent.outbox.CertificateLimit;
import dev.flk.agent.outbox.OutboxInspector;
import dev.flk.agent.outbox.OutboxInspector.HistoryEntry;
import dev.flk.agent.outbox.SettledAs;
import dev.flk.agent.send.BackendClient.Reply;
import dev.flk.agent.send.SendQueue.Queued;
import dev.flk.agent.send.SubmitResult.Kind;
import dev.flk.canonical.SignedFields;
import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.program.cli.Printable;
import dev.flk.program.config.Quantities;
import dev.flk.program.json.Json;
import java.io.Closeable;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * A second sending of settled certificates to backends that have lost them with a disk. Asks every backend which ones
 * it has, and sends the others as the agent sends a certificate for the first time. Never changes the outbox. Holds at
 * most the certificates of one question in memory. For one thread, which waits for the answers.
 */
public final class Resend implements Closeable {
    /** The most ids in a question, and certificates in memory. */
    private static final int MAX_IDS = 1_000;

    private static final long MAX_BYTES = CertificateLimit.BYTES / 2;
    /** The most certificates in a request: a backend gives at most 64 outcomes of other logs at a time to its own. */
    private static final int MAX_TOGETHER = 50;

    private static final long MAX_MARGIN_MILLIS = Duration.ofHours(1).toMillis();

    /** The longest {@code DEDUP_TTL} that a backend can have. */
    private static final long LONGEST_TTL_SECONDS = Quantities.LONGEST.toSeconds();

    /** The times that a backend can have: those with years of four digits. */
    private static final Instant LAST_TIME = Instant.parse("9999-12-31T23:59:59Z");

    /** The most waits in a row without a useful answer, each of a second or of the backend's {@code Retry-After}. */
    private static final int MAX_WAITS = 60;

    private final List<BackendClient> backends;
    private final SenderConfig config;
    private final Wanted wanted;
    private final BiConsumer<HistoryEntry, String> notables;
    private final InstantSource clock;
    private final LongSupplier nanoTicker;
    private final Pause pause;
    private final List<Settled> held = new ArrayList<>();
    private final Map<Fate, Integer> counts = new EnumMap<>(Fate.class);
    private long heldBytes;
    private Duration offset = Duration.ZERO;
    private Duration dedupTtl = Duration.ZERO;
    private long nextNanos;
    private int waits;

    /**
     * The certificates to look at, and what to do with them.
     *
     * @param since the time of the backend since which they were settled
     * @param until the time of the backend until which they were added
     * @param shard their shard; empty for any
     * @param perSecond the most certificates to send in a second
     */
    public record Wanted(
            Optional<Instant> since,
            Optional<Instant> until,
            Optional<String> shard,
            boolean isDryRun,
            int perSecond) {}

    /** A finding about a certificate, or the result of sending it again. */
    public enum Fate {
        /** The certificate may have been decided too long ago: if it is unknown, it may be so because it expired. */
        TOO_OLD,
        OUTCOME,
        UNKNOWN,
        GIVEN_UP,
        ACCEPTED,
        ESCALATED,
        /** The certificate is also counted as accepted or escalated, but was answered otherwise the first time. */
        DIFFERS,
        REFUSED
    }

    /** A wait for some time. */
    @FunctionalInterface
    public interface Pause {
        void nanos(long nanos) throws InterruptedException;
    }

    private record Settled(HistoryEntry found, SignedFields signed) {}

    private record Ended(@Nullable Reply reply, @Nullable Throwable failure) {}

    /** The time of the backends, and for how long they keep outcomes. */
    public record Limits(Instant now, Duration dedupTtl) {}

    /**
     * @param config the backends, each of which must answer, and the key
     * @param notables called for each certificate that is refused or answered otherwise than before, with the reason
     * @param nanoTicker monotonic time
     */
    public Resend(
            SenderConfig config,
            Wanted wanted,
            BiConsumer<HistoryEntry, String> notables,
            InstantSource clock,
            LongSupplier nanoTicker,
            Pause pause) {
        this.config = config;
        this.wanted = wanted;
        this.notables = notables;
        this.clock = clock;
        this.nanoTicker = nanoTicker;
        this.pause = pause;
        this.backends = config.endpoints().stream()
                .map(endpoint -> new BackendClient(endpoint, config.requestTimeout(), config.tls()))
                .toList();
        this.nextNanos = nanoTicker.getAsLong();
    }

    /** Asks the backends for their time and {@code DEDUP_TTL}. Must be called first. */
    public Limits begin() throws IOException {
        for (BackendClient backend : backends) {
            List<String> unused = ask(backend, List.of());
        }
        return new Limits(clock.instant().plus(offset), dedupTtl);
    }

    /**
     * Asks about the settled certificates of an outbox, and sends those that are missing.
     *
     * @return the counts of certificates
     * @throws IOException if a backend does not answer for minutes, or not as a backend
     */
    public Map<Fate, Integer> run(OutboxInspector outbox) throws IOException {
        try {
            outbox.history(found -> {
                try {
                    take(found);
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            });
        } catch (UncheckedIOException e) {
            throw e.getCause();
        }
        processHeld();
        return counts;
    }

    private void count(Fate fate) {
        counts.merge(fate, 1, Integer::sum);
    }

    private void take(HistoryEntry found) throws IOException {
        SettledAs how = found.settlement().orElse(SettledAs.LOST);
        Instant settled = Instant.ofEpochMilli(found.settledMillis()).plus(offset);
        Instant added = Instant.ofEpochMilli(found.entry().addedMillis()).plus(offset);
        if ((how != SettledAs.ACCEPTED && how != SettledAs.ESCALATED)
                || wanted.since().filter(settled::isBefore).isPresent()
                || wanted.until().filter(added::isAfter).isPresent()) {
            return;
        }
        int bytes = found.certificate().length;
        if (bytes > CertificateLimit.BYTES) {
            throw new IOException("the certificate of entry " + found.entry().sequence() + " "
                    + CertificateLimit.tooLong(bytes) + "; raise -Xmx");
        }
        SignedFields signed;
        try {
            signed = CertificateReader.parse(found.certificate()).signed();
        } catch (MalformedCertificate e) {
            throw new IOException("entry " + found.entry().sequence() + " was settled, but is malformed", e);
        }
        // a backend that forgets an outcome meanwhile would decide the certificate a second time
        long marginMillis = Math.min(MAX_MARGIN_MILLIS, dedupTtl.toMillis() / 8);
        Instant limit = clock.instant().plus(offset).minus(dedupTtl).plusMillis(marginMillis);
        if (wanted.shard().filter(shard -> !shard.equals(signed.shardId())).isPresent()) {
            return;
        }
        if (added.isBefore(limit)) {
            count(Fate.TOO_OLD);
            return;
        }
        held.add(new Settled(found, signed));
        heldBytes += found.certificate().length;
        if (held.size() == MAX_IDS || heldBytes >= MAX_BYTES) {
            processHeld();
        }
    }

    private void processHeld() throws IOException {
        List<Settled> left = List.copyOf(held);
        held.clear();
        heldBytes = 0;
        for (BackendClient backend : backends) {
            List<Settled> lacking = new ArrayList<>();
            List<Settled> having = new ArrayList<>();
            List<String> words = ask(
                    backend, left.stream().map(each -> each.signed().pcsId()).toList());
            for (int i = 0; i < words.size(); i++) {
                // the backends have one store, but each knows only of itself what a restore of its log lacked
                boolean isUnknown = words.get(i).equals("unknown") && backend.equals(backends.get(0));
                boolean isLacking = isUnknown || words.get(i).equals("given_up");
                (isLacking ? lacking : having).add(left.get(i));
                if (isLacking) {
                    count(isUnknown ? Fate.UNKNOWN : Fate.GIVEN_UP);
                }
            }
            left = having;
            if (!wanted.isDryRun()) {
                send(backend, lacking);
            }
        }
        left.forEach(each -> count(Fate.OUTCOME));
    }

    /** Returns a word for each id. */
    private List<String> ask(BackendClient backend, List<String> pcsIds) throws IOException {
        while (true) {
            Ended ended = await(then -> backend.known(pcsIds, then));
            Reply reply = ended.reply();
            if (reply == null) {
                rest(backend, 0, AnswerReader.describe(ended.failure()));
            } else if (reply.status() == 200) {
                return words(backend, reply, pcsIds.size());
            } else if (reply.status() == 404 || reply.status() == 405) {
                throw new IOException(
                        backend.base() + " has no /v1/pcs/known; upgrade the backend, or correct ENDPOINT");
            } else {
                rest(backend, AnswerReader.retryAfterSeconds(reply), "status " + reply.status());
            }
        }
    }

    private List<String> words(BackendClient backend, Reply reply, int ids) throws IOException {
        try {
            JsonNode answer = Json.parse(new String(reply.body(), StandardCharsets.UTF_8));
            List<String> words = new ArrayList<>();
            answer.path("known").forEach(word -> words.add(word.asText()));
            JsonNode ttlSeconds = answer.path("dedup_ttl_seconds");
            Instant now = Instant.parse(answer.path("now").asText());
            if (words.size() == ids
                    && List.of("unknown", "outcome", "given_up").containsAll(words)
                    && ttlSeconds.isIntegralNumber()
                    && ttlSeconds.canConvertToLong()
                    && ttlSeconds.longValue() >= 1
                    && ttlSeconds.longValue() <= LONGEST_TTL_SECONDS
                    && !now.isBefore(Instant.EPOCH)
                    && !now.isAfter(LAST_TIME)) {
                Duration ttl = Duration.ofSeconds(ttlSeconds.longValue());
                dedupTtl = dedupTtl.isZero() || ttl.compareTo(dedupTtl) < 0 ? ttl : dedupTtl;
                offset = Duration.between(clock.instant(), now);
                waits = 0;
                return words;
            }
        } catch (JsonProcessingException | DateTimeException e) {
            throw new IOException(
                    backend.base() + " has given an answer that is not a backend's: " + e.getMessage(), e);
        }
        throw new IOException(backend.base() + " has given an answer that is not a backend's of this version");
    }

    private static Ended await(Consumer<BiConsumer<@Nullable Reply, @Nullable Throwable>> request) {
        CompletableFuture<Ended> ended = new CompletableFuture<>();
        request.accept((reply, failure) -> ended.complete(new Ended(reply, failure)));
        return ended.join();
    }

    private void send(BackendClient backend, List<Settled> lacking) throws IOException {
        Deque<Settled> waiting = new ArrayDeque<>(lacking);
        int most = Math.min(MAX_TOGETHER, Math.min(config.options().batchSize(), wanted.perSecond()));
        while (!waiting.isEmpty()) {
            List<Settled> part = new ArrayList<>();
            while (!waiting.isEmpty() && part.size() < most) {
                part.add(waiting.remove());
            }
            List<SubmitResult> results = submit(backend, part);
            Optional<SubmitResult> later = Optional.empty();
            for (int i = 0; i < results.size(); i++) {
                Kind kind = results.get(i).kind();
                // the answer may concern the whole request, which may be too large for the backend or a proxy
                boolean isTooMuch = part.size() > 1 && (kind == Kind.UNPROVEN || kind == Kind.NEVER);
                if (isTooMuch) {
                    most = part.size() / 2;
                }
                if (isTooMuch || kind == Kind.LATER || results.get(i).isOutage()) {
                    waiting.add(part.get(i));
                    later = Optional.of(results.get(i));
                } else {
                    waits = 0;
                    note(part.get(i).found(), results.get(i));
                }
            }
            if (later.isPresent()) {
                rest(backend, later.get().retryAfterSeconds(), later.get().text());
            }
        }
    }

    private List<SubmitResult> submit(BackendClient backend, List<Settled> part) throws IOException {
        pause(nextNanos - nanoTicker.getAsLong());
        nextNanos = Math.max(nextNanos, nanoTicker.getAsLong())
                + TimeUnit.SECONDS.toNanos(part.size()) / wanted.perSecond();
        Instant sentAt = clock.instant().plus(offset);
        List<Batch.Item> items = new ArrayList<>();
        for (Settled one : part) {
            byte[] stored = one.found().certificate();
            var stamp = new SendingForm.Stamp(one.found().entry().sequence(), 1, sentAt, offset.toMillis());
            try {
                byte[] line =
                        SendingForm.stamped(stored, config.signer(), stamp).line();
                items.add(new Batch.Item(new Queued(one.found().entry(), 0), one.signed(), stored, line));
            } catch (MalformedCertificate e) {
                throw new IllegalStateException("a certificate that was parsed is malformed", e);
            }
        }
        Batch batch = new Batch(items);
        Ended ended = await(then -> {
            if (items.size() == 1) {
                backend.submit(items.get(0).line(), then);
            } else {
                backend.submitBatch(batch, then);
            }
        });
        return AnswerReader.read(batch, ended.reply(), ended.failure());
    }

    private void note(HistoryEntry found, SubmitResult result) {
        String before = found.settlement().map(SettledAs::word).orElse("");
        if (!result.isRecorded()) {
            count(Fate.REFUSED);
            String why = switch (result.kind()) {
                case CONFLICT -> ", the backend has recorded other content under this id";
                case BAD_SIGNATURE -> ", the backend does not accept this signature any more";
                default -> ", " + result.text();
            };
            notables.accept(found, Printable.of("refused: status " + result.status() + why));
            return;
        }
        count(result.status() == 200 ? Fate.ACCEPTED : Fate.ESCALATED);
        if (!before.equals(Integer.toString(result.status()))) {
            count(Fate.DIFFERS);
            notables.accept(found, "answered " + result.status() + ", and the first time " + before);
        }
    }

    /** Waits before a request is repeated. */
    private void rest(BackendClient backend, long seconds, String what) throws IOException {
        if (++waits > MAX_WAITS) {
            throw new IOException("no progress with " + backend.base() + ": " + Printable.of(what)
                    + ". Every backend of ENDPOINT must answer: leave out one that is lost. Run the command again; it"
                    + " sends only what is still missing");
        }
        pause(TimeUnit.SECONDS.toNanos(Math.max(1, seconds)));
    }

    private void pause(long nanos) throws IOException {
        try {
            pause.nanos(Math.max(0, nanos));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("interrupted while waiting for the backend");
        }
    }

    @Override
    public void close() {
        backends.forEach(BackendClient::close);
    }
}
