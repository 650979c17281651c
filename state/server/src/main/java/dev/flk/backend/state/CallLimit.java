// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state;

import com.google.protobuf.InvalidProtocolBufferException;
import dev.flk.client.proto.StateGrpc;
import dev.flk.http.ServerLoad.Bound;
import dev.flk.state.StateException.Reason;
import io.grpc.BindableService;
import io.grpc.Context;
import io.grpc.ForwardingServerCall.SimpleForwardingServerCall;
import io.grpc.ForwardingServerCallListener.SimpleForwardingServerCallListener;
import io.grpc.Grpc;
import io.grpc.KnownLength;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor.Marshaller;
import io.grpc.MethodDescriptor.MethodType;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.ServerInterceptors;
import io.grpc.ServerServiceDefinition;
import io.grpc.ServerStreamTracer;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.SocketAddress;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.LongConsumer;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A limit on the number of calls in progress over all connections, and on the bytes of their requests and answers.
 * Further calls are refused. Calls with streamed answers, which may last for days, are counted separately from the
 * others, so that watchers never take the places of reads and commits. If the port has tokens, each token may have at
 * most half of the maximum number of calls of each kind.
 * The calls of strangers, which are callers without a valid token, are counted separately up to a smaller maximum, and
 * their requests must be complete in time. The bytes of a request count as soon as they arrive, so that requests that
 * never become complete are limited too. A server with this limit must serve only services that {@link #bound} has
 * returned. It must also use this limit as a tracer factory, and must run the interceptor that sets {@link
 * Caller#CURRENT} before this one.
 */
final class CallLimit extends ServerStreamTracer.Factory implements ServerInterceptor {
    /**
     * The limit on the bytes of all requests together, as a multiple of {@link Bytes#requests}. A request that would exceed
     * this limit is cut off while it arrives. While the total exceeds that limit itself, each request is refused
     * with a reason as soon as it is complete.
     */
    private static final int PARTIAL = 4;

    /** The approximate number of bytes of memory that a frame needs in addition to its content. */
    private static final int FRAME_BYTES = 128;
    /** The maximum size of a request to the health service or the reflection service. A health check needs no token. */
    private static final int MAX_SMALL_BYTES = 4_096;
    /**
     * The time within which a caller without a token must complete a request and receive the answer. The answer is never
     * a stream, because {@link TokenCheck} lets such callers only check health.
     */
    static final long STRANGER_REQUEST_NANOS = TimeUnit.SECONDS.toNanos(10);

    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.state");

    private static final String OWN = "flk.";

    /**
     * Reserves room for the answer of the current call, of this number of bytes, before values are read for it. Replaces
     * an earlier reservation. Throws TOO_MANY_TX if there is no room.
     */
    static final Context.Key<LongConsumer> ROOM = Context.keyWithDefault("room", bytes -> {});

    /**
     * Calls that commit. Their answers are sent even if there is no room for the bytes, because a commit that took
     * effect must not be reported as refused. Such an answer is short: a revision, a time, and one number for each
     * operation.
     */
    private static final Set<String> COMMITS = Set.of(
            StateGrpc.getCommitMethod().getFullMethodName(),
            StateGrpc.getApplyMethod().getFullMethodName(),
            StateGrpc.getDeletePrefixMethod().getFullMethodName(),
            StateGrpc.getDeleteAgentMethod().getFullMethodName(),
            StateGrpc.getSetSchemaMethod().getFullMethodName(),
            StateGrpc.getDeleteSchemaMethod().getFullMethodName());

    /**
     * A marshaller that passes messages on unchanged. The marshaller of gRPC itself allocates 16 KiB of buffers for
     * each message.
     */
    private static final Marshaller<InputStream> UNPARSED = new Marshaller<>() {
        @Override
        public InputStream stream(InputStream message) {
            return message;
        }

        @Override
        public InputStream parse(InputStream stream) {
            return stream;
        }
    };

    private final int maxCalls;
    private final Bytes maxBytes;
    private final Function<Metadata, Caller> callers;
    private final LongSupplier nanoTicker;
    private final StateMetrics metrics;
    private final Refusals refusals;
    private final Places calls;
    private final Places streams;
    private final Bound strangers;
    /** The calls of strangers that the time limit applies to, until the client has received the answer. */
    private final Set<Requests<?>> timed = ConcurrentHashMap.newKeySet();

    private final Consumer<SocketAddress> connectionCloser;

    private final SharedBound requestBytes;
    private final SharedBound answerBytes;
    /**
     * The bytes that streams have sent, but that the network has not accepted yet. They are counted separately from
     * plain answers, so that slow readers of streams do not take the room for plain answers.
     */
    private final SharedBound streamedBytes;

    /**
     * The limits of sums of bytes.
     *
     * @param requests the limit of all requests, see {@link #PARTIAL}
     * @param answers the limit of all plain answers
     * @param streamed the limit of all answers that streams have sent and the network has not accepted
     */
    record Bytes(long requests, long answers, long streamed) {}

    /**
     * Creates a limit without calls.
     *
     * @param maxCalls the maximum number of concurrent calls of each kind (with a single answer, with streamed answers)
     *     of callers with a valid token, or of all callers if the port needs no token
     * @param maxStrangers the maximum number of concurrent calls of callers without a valid token
     * @param callers returns the caller that the headers of a call name
     * @param nanoTicker monotonic time
     * @param connectionCloser closes the connection from an address, even while the client does not read
     */
    CallLimit(
            int maxCalls,
            int maxStrangers,
            Bytes maxBytes,
            Function<Metadata, Caller> callers,
            LongSupplier nanoTicker,
            Consumer<SocketAddress> connectionCloser,
            StateMetrics metrics) {
        this.maxCalls = maxCalls;
        this.maxBytes = maxBytes;
        this.callers = callers;
        this.nanoTicker = nanoTicker;
        this.connectionCloser = connectionCloser;
        this.metrics = metrics;
        this.refusals = new Refusals(nanoTicker);
        this.calls = new Places("calls", maxCalls);
        this.streams = new Places("streams", maxCalls);
        this.strangers = new Bound(maxStrangers);
        this.requestBytes = new SharedBound(PARTIAL * maxBytes.requests());
        this.answerBytes = new SharedBound(maxBytes.answers());
        this.streamedBytes = new SharedBound(maxBytes.streamed());
    }

    /**
     * Returns the service with this limit applied to its calls. A request that can't be read, such as a request with
     * text that is not UTF-8, is answered INVALID; gRPC itself would answer UNKNOWN.
     */
    ServerServiceDefinition bound(BindableService service) {
        return ServerInterceptors.intercept(
                ServerInterceptors.useMarshalledMessages(service.bindService(), UNPARSED), this);
    }

    /**
     * Returns a description of the calls that were refused in the last seconds because there were too many; empty if
     * none were.
     */
    Optional<String> refusing() {
        return refusals.latest();
    }

    /** Ends the calls of strangers who did not complete their requests or did not receive their answers in time. */
    void endSlowStrangers() {
        long now = nanoTicker.getAsLong();
        timed.forEach(call -> call.endIfSince(now - STRANGER_REQUEST_NANOS));
    }

    /** Takes a place for a call. Returns null on success, otherwise the reason for the refusal. */
    private @Nullable String begin(Caller caller, Places places) {
        if (caller.equals(Caller.STRANGER)) {
            return strangers.take(1) ? null : refused("without_token", "too many calls without a token", "");
        }
        int most = caller.equals(Caller.ANYONE) ? maxCalls : Math.max(1, maxCalls / 2);
        boolean isWithinAll = places.all.take(1);
        boolean isWithinOwn = places.ofCallers.merge(caller.name(), 1, Integer::sum) <= most;
        if (isWithinAll && isWithinOwn) {
            return null;
        }
        places.all.giveBack(isWithinAll ? 1 : 0);
        places.forget(caller);
        return !isWithinOwn && most < maxCalls
                ? refused("calls", "too many " + places.kind + " of one token", " (token " + caller.name() + ")")
                : refused("calls", "too many " + places.kind, "");
    }

    /**
     * @param who the caller, or empty; appears only in the log, because strangers may read the result of {@link
     *     #refusing}
     */
    private String refused(String cause, String what, String who) {
        metrics.callsRefused.increment(cause);
        refusals.report(
                cause,
                what,
                leftOut -> LOG.warn(
                        "the state has {}{}; further calls are refused until others have ended{}", what, who, leftOut));
        return what;
    }

    private void end(Caller caller, Places places) {
        if (caller.equals(Caller.STRANGER)) {
            strangers.giveBack(1);
        } else {
            places.all.giveBack(1);
            places.forget(caller);
        }
    }

    @Override
    public ServerStreamTracer newServerStreamTracer(String fullMethodName, Metadata headers) {
        Caller caller = callers.apply(headers);
        return new Arriving(
                caller,
                fullMethodName.startsWith(OWN) ? SharedBound.share(caller, maxBytes.requests()) : MAX_SMALL_BYTES);
    }

    @Override
    public <Q, A> ServerCall.Listener<Q> interceptCall(
            ServerCall<Q, A> call, Metadata headers, ServerCallHandler<Q, A> next) {
        Caller caller = Caller.CURRENT.get();
        Places places = call.getMethodDescriptor().getType().serverSendsOneMessage() ? calls : streams;
        String tooMany = begin(caller, places);
        if (tooMany != null) {
            refuse(call, "there are " + tooMany + " under way");
            return new ServerCall.Listener<>() {};
        }
        Answers<Q, A> answers = new Answers<>(call, caller, places);
        try {
            Requests<Q> requests = new Requests<>(answers, next.startCall(answers, headers));
            if (caller.equals(Caller.STRANGER)) {
                timed.add(requests);
            }
            return requests;
        } catch (RuntimeException e) {
            answers.end();
            throw e;
        }
    }

    private static void refuse(ServerCall<?, ?> call, String why) {
        Messages.close(call, Reason.TOO_MANY_TX.because(why + "; try again in a moment"));
    }

    private static String tooLong(String what, Caller caller, long most) {
        return what + (caller.name().isEmpty() ? "" : " of one token, or of all,") + " under way take more than "
                + (caller.name().isEmpty() ? "" : SharedBound.share(caller, most) + " or ") + most + " bytes";
    }

    /** The calls of one kind in progress, of all callers that are not strangers. */
    private static final class Places {
        private final String kind;
        private final Bound all;
        private final ConcurrentHashMap<String, Integer> ofCallers = new ConcurrentHashMap<>();

        Places(String kind, int most) {
            this.kind = kind;
            this.all = new Bound(most);
        }

        void forget(Caller caller) {
            ofCallers.computeIfPresent(caller.name(), (name, count) -> count == 1 ? null : count - 1);
        }
    }

    /** The bytes of the request of one call. If the bytes exceed a limit, an exception ends the call. */
    private final class Arriving extends ServerStreamTracer {
        private final Caller caller;
        private final long most;
        // guarded by this
        private long arrived;
        private boolean isOver;

        Arriving(Caller caller, long most) {
            this.caller = caller;
            this.most = most;
        }

        @Override
        public synchronized void inboundWireSize(long more) {
            if (isOver) {
                return;
            }
            if (arrived + more + FRAME_BYTES > most) {
                throw Status.RESOURCE_EXHAUSTED
                        .withDescription("the request is longer than " + most + " bytes")
                        .asRuntimeException();
            }
            if (!requestBytes.take(caller, more + FRAME_BYTES)) {
                throw Status.RESOURCE_EXHAUSTED
                        .withDescription(tooLong("requests", caller, maxBytes.requests()))
                        .asRuntimeException();
            }
            arrived += more + FRAME_BYTES;
        }

        @Override
        public synchronized void streamClosed(Status status) {
            isOver = true;
            requestBytes.giveBack(caller, arrived);
            arrived = 0;
        }
    }

    /**
     * The answers of one call. When the call ends, this object gives back the place of the call. The bytes of a plain
     * answer count until the call ends, and the bytes of a stream until the network can accept more.
     */
    private final class Answers<Q, A> extends SimpleForwardingServerCall<Q, A> {
        private final Caller caller;
        private final Places places;
        private final boolean isStream = getMethodDescriptor().getType() == MethodType.SERVER_STREAMING;
        private final boolean isCommit = COMMITS.contains(getMethodDescriptor().getFullMethodName());
        private final SharedBound bytes = isStream ? streamedBytes : answerBytes;
        private boolean isRefused;
        // guarded by this
        private long taken;
        private boolean isOver;

        Answers(ServerCall<Q, A> call, Caller caller, Places places) {
            super(call);
            this.caller = caller;
            this.places = places;
        }

        @Override
        public void sendMessage(A message) {
            if (isRefused) {
                return;
            }
            if (!isCommit && !add(message)) {
                refuse(tooMuch());
                return;
            }
            super.sendMessage(message);
            if (isReady()) {
                areTaken();
            }
        }

        private String tooMuch() {
            return tooLong("answers", caller, isStream ? maxBytes.streamed() : maxBytes.answers());
        }

        /** Counts the bytes of an answer, instead of the bytes reserved for it; returns false if there is no room. */
        private synchronized boolean add(A message) {
            long size = message instanceof KnownLength known && !isOver ? available(known) : 0;
            return hold(isStream ? taken + size : size);
        }

        /** Holds this number of bytes from now on; returns false if there is no room. */
        private synchronized boolean hold(long size) {
            if (!bytes.take(caller, size - taken)) {
                return false;
            }
            taken = size;
            return true;
        }

        /** Reserves room for the answer; see {@link #ROOM}. */
        synchronized void reserve(long size) {
            if (!isOver && !hold(size)) {
                throw Reason.TOO_MANY_TX.because(tooMuch() + "; try again in a moment");
            }
        }

        private static long available(KnownLength message) {
            try {
                return message.available();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        /** Releases the bytes of a stream. Called when the network can accept more bytes. */
        void areTaken() {
            if (isStream) {
                release();
            }
        }

        private synchronized void release() {
            bytes.giveBack(caller, taken);
            taken = 0;
        }

        void refuse(String why) {
            isRefused = true;
            CallLimit.refuse(delegate(), why);
        }

        @Override
        public void close(Status status, Metadata trailers) {
            if (!isRefused) {
                String message = status.getDescription();
                super.close(message == null ? status : status.withDescription(Messages.fitting(message)), trailers);
            }
        }

        synchronized void end() {
            if (!isOver) {
                isOver = true;
                CallLimit.this.end(caller, places);
                release();
            }
        }
    }

    /** The requests of one call. gRPC uses one thread at a time for a call, and ends each call exactly once. */
    private final class Requests<Q> extends SimpleForwardingServerCallListener<Q> {
        private final Answers<Q, ?> answers;
        private final long beganNanos = nanoTicker.getAsLong();
        /** Whether the request is complete or its time is over; the first of the two events sets this to true. */
        private final AtomicBoolean isComplete = new AtomicBoolean();

        private boolean isRefused;

        Requests(Answers<Q, ?> answers, ServerCall.Listener<Q> next) {
            super(next);
            this.answers = answers;
        }

        @Override
        public void onMessage(Q message) {
            if (requestBytes.exceeds(answers.caller, maxBytes.requests())) {
                isRefused = true;
                answers.refuse(tooLong("requests", answers.caller, maxBytes.requests()));
                return;
            }
            try {
                super.onMessage(message);
            } catch (StatusRuntimeException e) {
                if (!(e.getCause() instanceof InvalidProtocolBufferException cause)) {
                    throw e;
                }
                isRefused = true;
                Messages.close(answers, Reason.INVALID.because("the request can't be read: " + cause.getMessage()));
            }
        }

        /**
         * Ends the call if it began at or before {@code nanos}. If its request is incomplete, the call ends with
         * DEADLINE_EXCEEDED. If its request is complete, the client does not read the answer that was handed to the
         * network, so the connection is closed. Safe for any thread, because the handler does nothing with a call until
         * the request is complete.
         */
        void endIfSince(long nanos) {
            if (beganNanos - nanos > 0) {
                return;
            }
            timed.remove(this);
            if (isComplete.getAndSet(true)) {
                connectionCloser.accept(answers.getAttributes().get(Grpc.TRANSPORT_ATTR_REMOTE_ADDR));
            } else {
                answers.close(
                        Status.DEADLINE_EXCEEDED.withDescription("the request was not complete within "
                                + TimeUnit.NANOSECONDS.toSeconds(STRANGER_REQUEST_NANOS)
                                + " s, the time of calls without a token"),
                        new Metadata());
            }
        }

        @Override
        public void onHalfClose() {
            if (isComplete.compareAndSet(false, true) && !isRefused) {
                Context.current().withValue(ROOM, answers::reserve).run(super::onHalfClose);
            }
        }

        @Override
        public void onReady() {
            answers.areTaken();
            super.onReady();
        }

        @Override
        public void onComplete() {
            end();
            super.onComplete();
        }

        @Override
        public void onCancel() {
            end();
            super.onCancel();
        }

        private void end() {
            timed.remove(this);
            answers.end();
        }
    }
}
