// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state;

import dev.flk.client.proto.AbortRequest;
import dev.flk.client.proto.AbortResponse;
import dev.flk.client.proto.ApplyRequest;
import dev.flk.client.proto.BeginRequest;
import dev.flk.client.proto.BeginResponse;
import dev.flk.client.proto.CheckRequest;
import dev.flk.client.proto.CheckSchemaRequest;
import dev.flk.client.proto.CheckSchemaResponse;
import dev.flk.client.proto.CommitRequest;
import dev.flk.client.proto.CommitResponse;
import dev.flk.client.proto.DeleteAgentRequest;
import dev.flk.client.proto.DeletePrefixRequest;
import dev.flk.client.proto.DeleteRequest;
import dev.flk.client.proto.DeleteSchemaRequest;
import dev.flk.client.proto.Event;
import dev.flk.client.proto.FindRequest;
import dev.flk.client.proto.FindResponse;
import dev.flk.client.proto.GetRequest;
import dev.flk.client.proto.GetResponse;
import dev.flk.client.proto.GetSchemaRequest;
import dev.flk.client.proto.GetSchemaResponse;
import dev.flk.client.proto.HistoryRequest;
import dev.flk.client.proto.HistoryResponse;
import dev.flk.client.proto.InfoRequest;
import dev.flk.client.proto.InfoResponse;
import dev.flk.client.proto.ListAgentsRequest;
import dev.flk.client.proto.ListKeysRequest;
import dev.flk.client.proto.ListKeysResponse;
import dev.flk.client.proto.ListNamesResponse;
import dev.flk.client.proto.ListNamespacesRequest;
import dev.flk.client.proto.ReplayRequest;
import dev.flk.client.proto.SetSchemaRequest;
import dev.flk.client.proto.StageResponse;
import dev.flk.client.proto.StateGrpc.StateImplBase;
import dev.flk.client.proto.TouchRequest;
import dev.flk.client.proto.WriteRequest;
import dev.flk.program.logging.LineLimit;
import dev.flk.state.Committed;
import dev.flk.state.History.At;
import dev.flk.state.Operation;
import dev.flk.state.Schemas.Checked;
import dev.flk.state.StateEngine;
import dev.flk.state.StateEngine.Info;
import dev.flk.state.StateException;
import dev.flk.state.StateException.Reason;
import dev.flk.state.StateKey;
import dev.flk.state.StateReads.Read;
import dev.flk.state.Storage.Document;
import dev.flk.state.Storage.Page;
import dev.flk.state.Storage.Search;
import dev.flk.state.Version;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The calls of {@code flk.state.v1.State}, served by an engine. Each call runs on a thread of the server's executor.
 */
final class StateService extends StateImplBase {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.state");
    private static final LineLimit LINES = LineLimit.ofOutages(System::nanoTime);
    /** The maximum length of a transaction id, well above the length of any valid id. */
    private static final int MAX_TX_ID = 128;

    private final StateEngine engine;
    private final String engineName;
    private final int format;
    private final Function<Caller, Executor> executors;
    private final StateMetrics metrics;
    private final ConcurrentHashMap<ReplayStream, Caller> streams = new ConcurrentHashMap<>();

    /**
     * Creates the service.
     *
     * @param engineName the value of STATE_ENGINE
     * @param executors returns the executor on which the streams of a caller read, and its values are checked again
     */
    StateService(
            StateEngine engine,
            String engineName,
            int format,
            Function<Caller, Executor> executors,
            StateMetrics metrics) {
        this.engine = engine;
        this.engineName = engineName;
        this.format = format;
        this.executors = executors;
        this.metrics = metrics;
    }

    /** Returns the number of replays in progress. */
    int streams() {
        return streams.size();
    }

    /** Ends the replays of the callers that {@code whose} selects. */
    void endStreams(Predicate<Caller> whose, Status why) {
        streams.forEach((stream, caller) -> {
            if (whose.test(caller)) {
                stream.end(why);
            }
        });
    }

    /** Calls {@link ReplayStream#sendProgress} for each replay in progress. */
    void sendProgress() {
        streams.keySet().forEach(ReplayStream::sendProgress);
    }

    @Override
    public void begin(BeginRequest request, StreamObserver<BeginResponse> answer) {
        answer(answer, () -> {
            Duration timeout = request.hasTimeout() ? Messages.duration(request.getTimeout()) : null;
            var begun = engine.begin(caller().name(), timeout);
            return BeginResponse.newBuilder()
                    .setTxId(begun.txId())
                    .setExpiresAt(Messages.time(StateEngine.micros(begun.expiresAt())))
                    .build();
        });
    }

    @Override
    public void write(WriteRequest request, StreamObserver<StageResponse> answer) {
        stage(answer, request.getTxId(), () -> Messages.write(engine, request.getWrite()));
    }

    @Override
    public void delete(DeleteRequest request, StreamObserver<StageResponse> answer) {
        stage(answer, request.getTxId(), () -> Messages.delete(request.getDelete()));
    }

    @Override
    public void check(CheckRequest request, StreamObserver<StageResponse> answer) {
        stage(answer, request.getTxId(), () -> Messages.check(request.getCheck()));
    }

    @Override
    public void touch(TouchRequest request, StreamObserver<StageResponse> answer) {
        stage(answer, request.getTxId(), () -> Messages.touch(request.getTouch()));
    }

    private void stage(StreamObserver<StageResponse> answer, String txId, Supplier<Operation> operation) {
        answer(answer, () -> {
            requireTxId(txId);
            Operation staged = operation.get();
            caller().require(staged);
            engine.stage(caller().name(), txId, staged);
            return StageResponse.getDefaultInstance();
        });
    }

    /** Rejects text that is too long for a transaction id, because other error messages would repeat the text. */
    private static void requireTxId(String txId) {
        if (txId.length() > MAX_TX_ID) {
            throw Reason.INVALID.because("tx_id was not returned by Begin: it has " + txId.length() + " characters");
        }
    }

    @Override
    public void commit(CommitRequest request, StreamObserver<CommitResponse> answer) {
        String txId = request.getTxId();
        committing(answer, () -> {
            requireTxId(txId);
            // the rights are checked again, because they may have changed since an operation was staged
            Caller caller = caller();
            return engine.commit(
                    caller.name(),
                    txId,
                    request.getRequestId(),
                    staged -> staged.forEach(caller::require),
                    executors.apply(caller));
        });
    }

    @Override
    public void apply(ApplyRequest request, StreamObserver<CommitResponse> answer) {
        committing(answer, () -> {
            List<Operation> operations = request.getOperationsList().stream()
                    .map(operation -> Messages.operation(engine, operation))
                    .toList();
            operations.forEach(caller()::require);
            return engine.apply(caller().name(), operations, request.getRequestId(), executors.apply(caller()));
        });
    }

    @Override
    public void deletePrefix(DeletePrefixRequest request, StreamObserver<CommitResponse> answer) {
        committing(answer, () -> {
            if (request.getPrefix().isEmpty()) {
                throw Reason.INVALID.because("prefix is empty; use DeleteAgent to delete all keys of the agent");
            }
            return remove(
                    request.getNamespace(),
                    request.getAgentId(),
                    request.getPrefix(),
                    request.hasIfRevision() ? OptionalLong.of(request.getIfRevision()) : OptionalLong.empty(),
                    request.getRequestId());
        });
    }

    @Override
    public void deleteAgent(DeleteAgentRequest request, StreamObserver<CommitResponse> answer) {
        committing(
                answer,
                () -> remove(
                        request.getNamespace(),
                        request.getAgentId(),
                        "",
                        request.hasIfRevision() ? OptionalLong.of(request.getIfRevision()) : OptionalLong.empty(),
                        request.getRequestId()));
    }

    private CompletionStage<Committed> remove(
            String namespaceOrNone, String agentId, String prefix, OptionalLong ifRevision, String requestId) {
        String namespace = Messages.namespace(namespaceOrNone);
        caller().requireWrite(namespace, agentId);
        return engine.remove(caller().name(), namespace, agentId, prefix, ifRevision, requestId);
    }

    private void committing(StreamObserver<CommitResponse> answer, Supplier<CompletionStage<Committed>> commit) {
        long beginNanos = System.nanoTime();
        answerLater(
                answer,
                () -> commit.get().whenComplete((committed, failure) -> {
                    if (failure == null) {
                        metrics.commits.increment();
                        metrics.commit.observeNanos(System.nanoTime() - beginNanos);
                    } else if (cause(failure) instanceof StateException refused
                            && refused.reason() == Reason.VERSION_CONFLICT) {
                        metrics.conflicts.increment();
                    }
                }),
                Messages::committed);
    }

    @Override
    public void abort(AbortRequest request, StreamObserver<AbortResponse> answer) {
        answerLater(
                answer,
                () -> {
                    requireTxId(request.getTxId());
                    return engine.abort(caller().name(), request.getTxId());
                },
                aborted -> AbortResponse.getDefaultInstance());
    }

    private static <R, T> void answerLater(
            StreamObserver<T> answer, Supplier<CompletionStage<R>> call, Function<R, T> message) {
        try {
            call.get().whenComplete((result, failure) -> {
                if (failure == null) {
                    answer.onNext(message.apply(result));
                    answer.onCompleted();
                } else {
                    answer.onError(error(failure));
                }
            });
        } catch (RuntimeException e) {
            answer.onError(error(e));
        }
    }

    @Override
    public void get(GetRequest request, StreamObserver<GetResponse> answer) {
        answer(answer, () -> {
            List<StateKey> keys =
                    request.getKeysList().stream().map(Messages::key).toList();
            keys.forEach(key -> caller().requireRead(key.namespace(), key.agentId()));
            At at = Messages.at(request.getAt());
            if (request.hasVersion() && (keys.size() != 1 || !(at instanceof At.Now))) {
                throw Reason.INVALID.because("a version requires exactly one key, and neither a revision nor a time");
            }
            if (request.hasVersion()) {
                reservePage();
            }
            Read read = request.hasVersion()
                    ? engine.reads().get(keys.get(0), request.getVersion())
                    : engine.reads().get(keys, at, CallLimit.ROOM.get());
            return GetResponse.newBuilder()
                    .setRevision(read.revision())
                    .addAllFound(read.found().stream().map(Messages::found).toList())
                    .build();
        });
    }

    @Override
    public void history(HistoryRequest request, StreamObserver<HistoryResponse> answer) {
        answer(answer, () -> {
            StateKey key = Messages.key(request.getKey());
            caller().requireRead(key.namespace(), key.agentId());
            reservePage();
            long below =
                    request.getPageToken().isEmpty() ? Long.MAX_VALUE : number(Messages.after(request.getPageToken()));
            List<Version> versions = engine.reads().history(key, below, pageSize(request.getPageSize()));
            long last =
                    versions.isEmpty() ? 1 : versions.get(versions.size() - 1).version();
            return HistoryResponse.newBuilder()
                    .addAllVersions(versions.stream().map(Messages::version).toList())
                    .setNextPageToken(last == 1 ? "" : Messages.pageToken(Long.toString(last)))
                    .build();
        });
    }

    private static long number(String text) {
        try {
            return Long.parseLong(text);
        } catch (NumberFormatException e) {
            throw Reason.INVALID.because("page_token was not returned by History");
        }
    }

    @Override
    public void listKeys(ListKeysRequest request, StreamObserver<ListKeysResponse> answer) {
        answer(answer, () -> {
            String namespace = Messages.namespace(request.getNamespace());
            caller().requireRead(namespace, request.getAgentId());
            var page = engine.reads()
                    .keys(
                            namespace,
                            request.getAgentId(),
                            request.getPrefix(),
                            after(request.getPageToken()),
                            Messages.at(request.getAt()),
                            pageSize(request.getPageSize()));
            ListKeysResponse.Builder response = ListKeysResponse.newBuilder().setNextPageToken(next(page));
            page.entries()
                    .forEach(entry -> response.addEntriesBuilder()
                            .setKey(entry.name())
                            .setVersion(entry.version())
                            .setRevision(entry.revision()));
            return response.build();
        });
    }

    @Override
    public void listAgents(ListAgentsRequest request, StreamObserver<ListNamesResponse> answer) {
        answer(answer, () -> {
            String namespace = Messages.namespace(request.getNamespace());
            caller().requireSight(namespace);
            return names(
                    caller().token().agentPrefixes(namespace, request.getPrefix()),
                    request.getPageToken(),
                    pageSize(request.getPageSize()),
                    (prefix, after, limit) -> engine.reads().agents(namespace, prefix, after, limit));
        });
    }

    @Override
    public void listNamespaces(ListNamespacesRequest request, StreamObserver<ListNamesResponse> answer) {
        answer(answer, () -> {
            Optional<List<String>> granted = caller().token().namespaces(request.getPrefix());
            return granted.isEmpty()
                    ? names(
                            List.of(request.getPrefix()),
                            request.getPageToken(),
                            pageSize(request.getPageSize()),
                            (prefix, after, limit) -> engine.reads().namespaces(prefix, after, limit))
                    : ListNamesResponse.newBuilder()
                            .addAllNames(granted.get().stream()
                                    .filter(namespace -> engine.reads()
                                            .namespaces(namespace, null, 1)
                                            .entries()
                                            .contains(namespace))
                                    .toList())
                            .build();
        });
    }

    private interface Names {
        Page<String> page(String prefix, @Nullable String after, int limit);
    }

    /**
     * Returns one page of a list of names. Examines only names that the caller may read, so that no page token reveals
     * another name.
     */
    private static ListNamesResponse names(List<String> prefixes, String pageToken, int limit, Names names) {
        String after = after(pageToken);
        ListNamesResponse.Builder response = ListNamesResponse.newBuilder();
        for (String prefix : prefixes) {
            boolean isWithin = after != null && StateKey.compareBytes(after, prefix) >= 0;
            Page<String> page = names.page(prefix, isWithin ? after : null, limit - response.getNamesCount());
            response.addAllNames(page.entries());
            if (response.getNamesCount() == limit) {
                return response.setNextPageToken(Messages.pageToken(response.getNames(limit - 1)))
                        .build();
            }
        }
        return response.build();
    }

    @Override
    public void find(FindRequest request, StreamObserver<FindResponse> answer) {
        answer(answer, () -> {
            String namespace = Messages.namespace(request.getNamespace());
            String agentId = request.getAgentId();
            caller().requireSight(namespace);
            if (agentId.isEmpty() && !caller().token().mayRead(namespace, "")) {
                throw Reason.INVALID.because("this token may read only some agents: name one");
            }
            caller().requireRead(namespace, agentId);
            reservePage();
            Page<Document> page = engine.reads()
                    .find(
                            namespace,
                            agentId,
                            new Search(request.getJsonPath(), request.getContains(), order(request)),
                            after(request.getPageToken()),
                            pageSize(request.getPageSize()));
            FindResponse.Builder response = FindResponse.newBuilder().setNextPageToken(next(page));
            page.entries()
                    .forEach(found -> response.addEntriesBuilder()
                            .setKey(Messages.key(found.key()))
                            .setVersion(Messages.version(found.version())));
            return response.build();
        });
    }

    private static Search.Order order(FindRequest request) {
        return switch (request.getOrder()) {
            case BY_KEY -> Search.Order.BY_KEY;
            case NEWEST_FIRST -> Search.Order.NEWEST_FIRST;
            case OLDEST_FIRST -> Search.Order.OLDEST_FIRST;
            case UNRECOGNIZED -> throw Reason.INVALID.because("order " + request.getOrderValue() + " is not known");
        };
    }

    @Override
    public void getSchema(GetSchemaRequest request, StreamObserver<GetSchemaResponse> answer) {
        answer(answer, () -> {
            String namespace = Messages.namespace(request.getNamespace());
            caller().requireSight(namespace);
            GetSchemaResponse.Builder response = GetSchemaResponse.newBuilder();
            engine.schemas().get(namespace).ifPresent(schema -> response.setSchema(Messages.version(schema)));
            return response.build();
        });
    }

    @Override
    public void setSchema(SetSchemaRequest request, StreamObserver<CommitResponse> answer) {
        committing(answer, () -> {
            String namespace = Messages.namespace(request.getNamespace());
            caller().requireWrite(namespace, "");
            long ifVersion = Messages.version(request.hasIfVersion(), request.getIfVersion());
            return engine.apply(
                    caller().name(),
                    List.of(engine.schemas().set(namespace, request.getJson(), ifVersion)),
                    request.getRequestId());
        });
    }

    @Override
    public void deleteSchema(DeleteSchemaRequest request, StreamObserver<CommitResponse> answer) {
        committing(answer, () -> {
            String namespace = Messages.namespace(request.getNamespace());
            caller().requireWrite(namespace, "");
            long ifVersion = Messages.version(request.hasIfVersion(), request.getIfVersion());
            return engine.apply(
                    caller().name(), List.of(engine.schemas().delete(namespace, ifVersion)), request.getRequestId());
        });
    }

    @Override
    public void checkSchema(CheckSchemaRequest request, StreamObserver<CheckSchemaResponse> answer) {
        answer(answer, () -> {
            String namespace = Messages.namespace(request.getNamespace());
            caller().requireRead(namespace, "");
            reservePage();
            String[] last = request.getPageToken().isEmpty()
                    ? new String[0]
                    : Messages.after(request.getPageToken()).split("\n", -1);
            if (last.length == 1 || last.length > 2) {
                throw Reason.INVALID.because("page_token was not returned by CheckSchema");
            }
            StateKey after = last.length == 0 ? null : new StateKey(namespace, last[0], last[1]);
            return checked(engine.schemas().check(namespace, request.getJson(), after));
        });
    }

    private static CheckSchemaResponse checked(Checked checked) {
        CheckSchemaResponse.Builder response = CheckSchemaResponse.newBuilder().setChecked(checked.checked());
        checked.violating()
                .forEach(violating -> response.addViolationsBuilder()
                        .setKey(Messages.key(violating.key()))
                        .setVersion(violating.version())
                        .setPath(Messages.fitting(violating.violation().path()))
                        .setMessage(Messages.fitting(violating.violation().message())));
        StateKey next = checked.next();
        if (next != null) {
            response.setNextPageToken(Messages.pageToken(next.agentId() + "\n" + next.name()));
        }
        return response.build();
    }

    @Override
    public void replay(ReplayRequest request, StreamObserver<Event> answer) {
        try {
            Caller caller = caller();
            String agentId = request.getAgentId();
            String namespace = Messages.namespaceOrAll(request.getNamespace(), agentId);
            if (!agentId.isEmpty()) {
                caller.requireRead(namespace, agentId);
            } else {
                caller.requireSight(namespace);
            }
            Predicate<StateKey> wanted =
                    key -> (agentId.isEmpty() || agentId.equals(key.agentId())) && caller.sees(key);
            // read before the revisions of the span, so that the stream notices if the history is replaced in between
            String historyId = engine.head().historyId();
            ReplayStream stream = new ReplayStream(
                    engine,
                    executors.apply(caller),
                    (ServerCallStreamObserver<Event>) answer,
                    new ReplayStream.Request(
                            historyId,
                            span(request, namespace, wanted),
                            namespace,
                            agentId,
                            wanted,
                            request.getFollow(),
                            request.getProgress()),
                    streams::remove);
            streams.put(stream, caller);
            stream.start();
        } catch (RuntimeException e) {
            answer.onError(error(e));
        }
    }

    private ReplayStream.Span span(ReplayRequest request, String namespace, Predicate<StateKey> wanted) {
        At to = request.hasTo() ? Messages.at(request.getTo()) : new At.Revision(Long.MAX_VALUE);
        long toMicros = to instanceof At.Time time ? StateEngine.micros(time.time()) : Long.MAX_VALUE;
        boolean isAhead = to instanceof At.Time && engine.head().committedAtMicros() < toMicros;
        return new ReplayStream.Span(
                from(request, namespace, wanted),
                isAhead ? Long.MAX_VALUE : engine.history().firstAt(to),
                request.hasFrom() && Messages.at(request.getFrom()) instanceof At.Time time
                        ? StateEngine.micros(time.time())
                        : Long.MIN_VALUE,
                toMicros);
    }

    private long from(ReplayRequest request, String namespace, Predicate<StateKey> wanted) {
        if (!request.getResumeToken().isEmpty()) {
            if (request.hasFrom()) {
                throw Reason.INVALID.because("only one of from and resume_token may be set");
            }
            return engine.history()
                            .resume(Messages.token(request.getResumeToken()), namespace, request.getAgentId(), wanted)
                    + 1;
        }
        return request.hasFrom()
                ? engine.history().firstAt(Messages.at(request.getFrom()))
                : engine.history().oldest(namespace);
    }

    @Override
    public void info(InfoRequest request, StreamObserver<InfoResponse> answer) {
        answer(answer, () -> {
            Info info = engine.info();
            return InfoResponse.newBuilder()
                    .setFormat(format)
                    .setEngine(engineName)
                    .setHistoryId(info.historyId())
                    .setNewestRevision(info.newestRevision())
                    .setOldestRevision(info.oldestRevision())
                    .setOpenTransactions(info.openTransactions())
                    .setKeys(info.keys())
                    .setBytes(info.bytes())
                    .setNotServing(notServing())
                    .build();
        });
    }

    /** Returns the reason why commits are rejected at present, with a description; empty if no such reason is known. */
    private String notServing() {
        try {
            return engine.blocked()
                    .or(engine::full)
                    .map(StateService::described)
                    .orElse("");
        } catch (StateException e) { // the directory has disappeared
            return described(e);
        }
    }

    private static String described(StateException e) {
        return e.reason() + ": " + e.getMessage();
    }

    /** Reserves room for a page of values, whose length is known only after it was read. */
    static void reservePage() {
        CallLimit.ROOM.get().accept(StateEngine.MAX_PAGE_BYTES);
    }

    private static Caller caller() {
        return Caller.CURRENT.get();
    }

    private static @Nullable String after(String pageToken) {
        return pageToken.isEmpty() ? null : Messages.after(pageToken);
    }

    private static String next(Page<?> page) {
        return page.next() == null ? "" : Messages.pageToken(page.next());
    }

    private static int pageSize(int wished) {
        if (wished < 0) {
            throw Reason.INVALID.because("page_size is negative: " + wished);
        }
        return wished == 0 ? StateEngine.MAX_PAGE : Math.min(wished, StateEngine.MAX_PAGE);
    }

    static <T> void answer(StreamObserver<T> answer, Supplier<T> call) {
        T message;
        try {
            message = call.get();
        } catch (RuntimeException e) {
            answer.onError(error(e));
            return;
        }
        answer.onNext(message);
        answer.onCompleted();
    }

    /** Returns the error that a caller receives for a failure; an unexpected failure becomes UNKNOWN and is logged. */
    static Throwable error(Throwable failure) {
        Throwable cause = cause(failure);
        if (cause instanceof StateException refused) {
            return Messages.error(refused);
        }
        if (!(cause instanceof StatusRuntimeException)) {
            LINES.say("failed", leftOut -> LOG.error("a call to the state failed{}", leftOut, cause));
        }
        return cause;
    }

    private static Throwable cause(Throwable failure) {
        Throwable cause = failure.getCause();
        return failure instanceof CompletionException && cause != null ? cause : failure;
    }
}
