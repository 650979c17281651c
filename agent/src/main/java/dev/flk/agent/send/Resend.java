// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import dev.flk.agent.outbox.OutboxInspector;
import dev.flk.agent.outbox.OutboxInspector.HistoryEntry;
import dev.flk.agent.outbox.SettledAs;
import dev.flk.agent.send.BackendClient.Reply;
import dev.flk.agent.send.SendQueue.Queued;
import dev.flk.agent.send.SubmitResult.Kind;
import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.program.cli.ErrorMessages;
import dev.flk.program.cli.Printable;
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
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * A second sending of settled certificates to backends that have lost them with a disk. Asks every backend which ones it
 * has, and sends the others as the agent sends a certificate for the first time. Never changes the outbox. Holds at most
 * one question's certificates in memory. For one thread, which waits for the answers.
 */
public final class Resend implements Closeable {
    /** The most ids in a question, and certificates in memory. */
    private static final int MAX_IDS = 1_000;

    private static final long MAX_BYTES = 4 << 20;
    private static final long MAX_MARGIN_MILLIS = Duration.ofHours(1).toMillis();

    /** The refused signatures, with no accepted one, after which the key is taken for a wrong one. */
    private static final int MAX_REFUSED_FIRST = 50;

    /** The longest time without progress. */
    private static final Duration PATIENCE = Duration.ofMinutes(5);

    private final List<BackendClient> backends;
    private final SenderConfig config;
    private final Wanted wanted;
    private final Consumer<Notable> notables;
    private final InstantSource clock;
    private final LongSupplier nanoTicker;
    private final Pause pause;
    private final List<Settled> held = new ArrayList<>();
    private final Counts counts = new Counts();
    private long heldBytes;
    private Duration offset = Duration.ZERO;
    private Duration dedupTtl = Duration.ZERO;
    private long nextNanos;
    private long progressNanos;

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

    /** A certificate that the backend refused, or answered otherwise than before. */
    public record Notable(long outboxSeq, String added, String pcsId, String what) {}

    /** A wait for some time. */
    @FunctionalInterface
    public interface Pause {
        void nanos(long nanos) throws InterruptedException;
    }

    /** The counts of certificates so far. */
    public static final class Counts {
        /** The certificates with an outcome, those without, and those with an outcome whose log was given up. */
        public long outcome;

        public long unknown;
        public long givenUp;
        /** The certificates that may have been decided too long ago to be sent again. */
        public long tooOld;
        /** The certificates that were sent and accepted, and those that were escalated or rejected. */
        public long accepted;

        public long escalated;
        /** The certificates among these two whose status differs from the first answer. */
        public long differing;

        public long refused;
        /** The time at which the oldest certificate that the outbox has was settled; empty if it has none. */
        public Optional<Instant> oldest = Optional.empty();
    }

    private record Settled(HistoryEntry found, String pcsId, String shardId) {}

    private record Ended(@Nullable Reply reply, @Nullable Throwable failure) {}

    /** The answer to a question; {@code known} has a word for each id. */
    private record Told(Instant now, Duration dedupTtl, List<String> known) {
        static Optional<Told> parse(byte[] body, int ids) {
            try {
                JsonNode answer = Json.parse(new String(body, StandardCharsets.UTF_8));
                List<String> known = new ArrayList<>();
                answer.path("known").forEach(word -> known.add(word.asText()));
                long seconds = answer.path("dedup_ttl_seconds").asLong();
                return known.size() == ids && seconds > 0
                        ? Optional.of(new Told(
                                Instant.parse(answer.path("now").asText()), Duration.ofSeconds(seconds), known))
                        : Optional.empty();
            } catch (JsonProcessingException | DateTimeException e) {
                return Optional.empty();
            }
        }
    }

    /**
     * @param config the backends, each of which must answer, and the key
     * @param notables called for each certificate that needs attention
     * @param nanoTicker monotonic time
     */
    public Resend(
            SenderConfig config,
            Wanted wanted,
            Consumer<Notable> notables,
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
        this.progressNanos = nextNanos;
    }

    /** The time of the backends, and for how long they keep outcomes. */
    public record Limits(Instant now, Duration dedupTtl) {}

    /** Asks the backends for their time and {@code DEDUP_TTL}. Must be called first. */
    public Limits begin() throws IOException {
        for (BackendClient backend : backends) {
            Told told = ask(backend, List.of());
            boolean isShorter = dedupTtl.isZero() || told.dedupTtl().compareTo(dedupTtl) < 0;
            dedupTtl = isShorter ? told.dedupTtl() : dedupTtl;
            offset = Duration.between(clock.instant(), told.now());
        }
        return new Limits(clock.instant().plus(offset), dedupTtl);
    }

    /**
     * Asks about the settled certificates of an outbox, and sends those that are missing.
     *
     * @return the counts of all certificates
     * @throws IOException if a backend does not answer for minutes, or not as a backend, or refuses the key
     */
    public Counts run(OutboxInspector outbox) throws IOException {
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

    /** Takes the next entry of the outbox, and processes a group of them when it is complete. */
    private void take(HistoryEntry found) throws IOException {
        SettledAs how = found.settlement().orElse(SettledAs.LOST);
        if (how != SettledAs.ACCEPTED && how != SettledAs.ESCALATED) {
            return;
        }
        Instant settled = Instant.ofEpochMilli(found.settledMillis()).plus(offset);
        Instant added = Instant.ofEpochMilli(found.entry().addedMillis()).plus(offset);
        if (counts.oldest.isEmpty() || settled.isBefore(counts.oldest.get())) {
            counts.oldest = Optional.of(settled);
        }
        if (wanted.since().filter(settled::isBefore).isPresent()
                || wanted.until().filter(added::isAfter).isPresent()) {
            return;
        }
        Settled one = settled(found);
        if (wanted.shard().filter(shard -> !shard.equals(one.shardId())).isPresent()) {
            return;
        }
        // a backend that forgets an outcome meanwhile would decide the certificate a second time
        long marginMillis = Math.min(MAX_MARGIN_MILLIS, dedupTtl.toMillis() / 8);
        Instant limit = clock.instant().plus(offset).minus(dedupTtl).plusMillis(marginMillis);
        if (added.isBefore(limit)) {
            counts.tooOld++;
            return;
        }
        held.add(one);
        heldBytes += found.certificate().length;
        if (held.size() == MAX_IDS || heldBytes >= MAX_BYTES) {
            processHeld();
        }
    }

    private static Settled settled(HistoryEntry found) throws IOException {
        try {
            var signed = CertificateReader.parse(found.certificate()).signed();
            return new Settled(found, signed.pcsId(), signed.shardId());
        } catch (MalformedCertificate e) {
            throw new IOException(
                    "entry " + found.entry().sequence() + " of the outbox was settled, but is malformed: "
                            + e.getMessage(),
                    e);
        }
    }

    private void processHeld() throws IOException {
        List<Settled> left = List.copyOf(held);
        held.clear();
        heldBytes = 0;
        for (BackendClient backend : backends) {
            if (left.isEmpty()) {
                return;
            }
            List<String> known =
                    ask(backend, left.stream().map(Settled::pcsId).toList()).known();
            List<Settled> lacking = new ArrayList<>();
            List<Settled> having = new ArrayList<>();
            for (int i = 0; i < known.size(); i++) {
                // the backends have one store, but each knows only of itself what a restore of its log lacked
                switch (known.get(i)) {
                    case "outcome" -> having.add(left.get(i));
                    case "unknown" -> {
                        boolean isFirst = backend.equals(backends.get(0));
                        counts.unknown += isFirst ? 1 : 0;
                        (isFirst ? lacking : having).add(left.get(i));
                    }
                    case "given-up" -> {
                        counts.givenUp++;
                        lacking.add(left.get(i));
                    }
                    default -> throw foreign(backend);
                }
            }
            left = having;
            if (!wanted.isDryRun()) {
                send(backend, lacking);
            }
        }
        counts.outcome += left.size();
    }

    private static IOException foreign(BackendClient backend) {
        return new IOException(
                backend.base() + " has given an answer that is not a backend's of this version; is ENDPOINT right?");
    }

    private Told ask(BackendClient backend, List<String> pcsIds) throws IOException {
        while (true) {
            Ended ended = await(then -> backend.known(pcsIds, then));
            Reply reply = ended.reply();
            if (reply != null && reply.status() == 200) {
                progressed();
                return Told.parse(reply.body(), pcsIds.size()).orElseThrow(() -> foreign(backend));
            }
            if (reply != null && (reply.status() == 404 || reply.status() == 405)) {
                throw new IOException(backend.base() + " has no /v1/pcs/known, status " + reply.status()
                        + "; upgrade the backend, or correct ENDPOINT");
            }
            String what = reply == null
                    ? AnswerReader.describe(ended.failure())
                    : "status " + reply.status() + " " + new String(reply.body(), StandardCharsets.UTF_8);
            rest(backend, reply == null ? 0 : AnswerReader.retryAfterSeconds(reply), what);
        }
    }

    private static Ended await(Consumer<BiConsumer<@Nullable Reply, @Nullable Throwable>> request) {
        CompletableFuture<Ended> ended = new CompletableFuture<>();
        request.accept((reply, failure) -> ended.complete(new Ended(reply, failure)));
        return ended.join();
    }

    private void send(BackendClient backend, List<Settled> lacking) throws IOException {
        Deque<Settled> waiting = new ArrayDeque<>(lacking);
        int together = Math.min(config.options().batchSize(), wanted.perSecond());
        while (!waiting.isEmpty()) {
            List<Settled> part = new ArrayList<>();
            while (!waiting.isEmpty() && part.size() < together) {
                part.add(waiting.remove());
            }
            pace(part.size());
            List<SubmitResult> results = submit(backend, part);
            SubmitResult first = results.get(0);
            if (part.size() > 1
                    && (first.kind() == Kind.NEVER || first.kind() == Kind.UNPROVEN)
                    && results.stream().allMatch(result -> result == first)) {
                together = 1; // one answer to the complete batch, such as that it is too long
                part.forEach(waiting::addFirst);
                continue;
            }
            @Nullable SubmitResult later = null;
            for (int i = 0; i < results.size(); i++) {
                if (results.get(i).kind() == Kind.LATER || results.get(i).isOutage()) {
                    waiting.add(part.get(i));
                    later = results.get(i);
                } else {
                    note(backend, part.get(i), results.get(i));
                }
            }
            if (later != null) {
                rest(backend, later.retryAfterSeconds(), later.text());
            }
        }
    }

    private List<SubmitResult> submit(BackendClient backend, List<Settled> part) throws IOException {
        List<Batch.Item> items = new ArrayList<>();
        for (Settled one : part) {
            HistoryEntry found = one.found();
            SendingForm form;
            try {
                form = SendingForm.stamped(
                        found.certificate(),
                        config.signer(),
                        new SendingForm.Stamp(
                                found.entry().sequence(), 1, clock.instant().plus(offset), offset.toMillis()));
            } catch (MalformedCertificate e) {
                throw new IllegalStateException("a certificate that was parsed is malformed", e);
            }
            items.add(new Batch.Item(new Queued(found.entry(), 0), form.signed(), found.certificate(), form.line()));
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

    private void note(BackendClient backend, Settled one, SubmitResult result) throws IOException {
        progressed();
        if (result.isRecorded()) {
            String before = one.found().settlement().map(SettledAs::word).orElse("");
            counts.accepted += result.status() == 200 ? 1 : 0;
            counts.escalated += result.status() == 200 ? 0 : 1;
            if (!before.equals(Integer.toString(result.status()))) {
                counts.differing++;
                notable(one, "answered " + result.status() + " instead of " + before + " as before");
            }
            return;
        }
        counts.refused++;
        notable(
                one,
                "refused: "
                        + switch (result.kind()) {
                            case CONFLICT -> "the backend has recorded other content under this id";
                            case BAD_SIGNATURE -> "status 401, the backend does not accept this signature any more";
                            case UNPROVEN -> result.text();
                            default -> "status " + result.status() + ", " + result.text();
                        });
        if (counts.refused == MAX_REFUSED_FIRST
                && result.kind() == Kind.BAD_SIGNATURE
                && counts.accepted + counts.escalated == 0) {
            throw new IOException(backend.base() + " has refused each of the first " + MAX_REFUSED_FIRST
                    + " signatures; set the key that it accepts, and run the command again");
        }
    }

    private void notable(Settled one, String what) {
        notables.accept(new Notable(
                one.found().entry().sequence(),
                ErrorMessages.time(one.found().entry().addedMillis()),
                one.pcsId(),
                Printable.of(what)));
    }

    private void progressed() {
        progressNanos = nanoTicker.getAsLong();
    }

    /** Waits until the rate allows to send more certificates. */
    private void pace(int certificates) throws IOException {
        long waitNanos = nextNanos - nanoTicker.getAsLong();
        if (waitNanos > 0) {
            pause(waitNanos);
        }
        nextNanos = Math.max(nextNanos, nanoTicker.getAsLong())
                + TimeUnit.SECONDS.toNanos(certificates) / wanted.perSecond();
    }

    /** Waits before a request is repeated. */
    private void rest(BackendClient backend, long seconds, String what) throws IOException {
        if (nanoTicker.getAsLong() - progressNanos > PATIENCE.toNanos()) {
            throw new IOException("no progress for " + PATIENCE.toMinutes() + " minutes at " + backend.base() + ": "
                    + Printable.of(what)
                    + ". Every backend of ENDPOINT must answer: leave out one that is lost. Run the"
                    + " command again later; it sends only what is still missing");
        }
        pause(TimeUnit.SECONDS.toNanos(Math.max(1, seconds)));
    }

    private void pause(long nanos) throws IOException {
        try {
            pause.nanos(nanos);
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
