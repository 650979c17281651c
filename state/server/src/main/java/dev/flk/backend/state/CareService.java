// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state;

import dev.flk.client.proto.BackupRequest;
import dev.flk.client.proto.BackupResponse;
import dev.flk.client.proto.CareGrpc.CareImplBase;
import dev.flk.client.proto.CompactRequest;
import dev.flk.client.proto.CompactResponse;
import dev.flk.client.proto.StandingRequest;
import dev.flk.client.proto.StandingResponse;
import dev.flk.state.StateEngine;
import dev.flk.state.StateException.Reason;
import dev.flk.state.StateKey;
import dev.flk.state.Storage.Document;
import dev.flk.state.Storage.Head;
import io.grpc.stub.StreamObserver;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The calls of {@code flk.state.v1.Care}, served by an engine. */
final class CareService extends CareImplBase {
    private static final int PARTS = 3;

    private final StateEngine engine;

    CareService(StateEngine engine) {
        this.engine = engine;
    }

    @Override
    public void standing(StandingRequest request, StreamObserver<StandingResponse> answer) {
        StateService.answer(answer, () -> {
            String agentId = request.getAgentId();
            String namespace = Messages.namespaceOrAll(request.getNamespace(), agentId);
            Caller caller = Caller.CURRENT.get();
            caller.requireRead(namespace, agentId);
            StateService.reservePage();
            Head head = engine.head();
            StandingResponse.Builder response = StandingResponse.newBuilder()
                    .setHistoryId(head.historyId())
                    .setFloor(head.floor())
                    .setFloorAt(Messages.time(head.floorAtMicros()));
            List<Document> page = engine.history().existing(head, namespace, agentId, after(request.getPageToken()));
            page.stream()
                    .filter(entry -> caller.sees(entry.key()))
                    .forEach(entry -> response.addEntriesBuilder()
                            .setKey(Messages.key(entry.key()))
                            .setVersion(Messages.version(entry.version())));
            if (!page.isEmpty()) {
                StateKey last = page.get(page.size() - 1).key();
                response.setNextPageToken(
                        Messages.pageToken(last.namespace() + "\n" + last.agentId() + "\n" + last.name()));
            }
            return response.build();
        });
    }

    private static @Nullable StateKey after(String pageToken) {
        if (pageToken.isEmpty()) {
            return null;
        }
        String[] parts = Messages.after(pageToken).split("\n", -1);
        if (parts.length != PARTS) {
            throw Reason.INVALID.because("page_token was not returned by Standing");
        }
        return new StateKey(parts[0], parts[1], parts[2]);
    }

    @Override
    public void backup(BackupRequest request, StreamObserver<BackupResponse> answer) {
        StateService.answer(answer, () -> {
            Caller.CURRENT.get().requireWriteOfAll();
            long revision = engine.head().revision();
            return BackupResponse.newBuilder()
                    .setPath(engine.backup().toAbsolutePath().toString())
                    .setRevision(revision)
                    .build();
        });
    }

    @Override
    public void compact(CompactRequest request, StreamObserver<CompactResponse> answer) {
        StateService.answer(answer, () -> {
            Caller.CURRENT.get().requireWriteOfAll();
            engine.history().compact(Messages.at(request.getAt()));
            return CompactResponse.newBuilder()
                    .setOldestRevision(engine.history().oldest(""))
                    .build();
        });
    }
}
