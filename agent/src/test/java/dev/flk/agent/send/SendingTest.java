// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import dev.flk.agent.send.SenderConfig.SendOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.io.TempDir;

/** A base class of tests with a {@link SendingRig}, which is closed after each test. */
abstract class SendingTest {
    @TempDir
    Path directory;

    private final List<SendingRig> rigs = new ArrayList<>();

    /** Returns a rig with one backend. */
    SendingRig rig(SendOptions options) throws IOException {
        return rig(options, 1);
    }

    SendingRig rig(SendOptions options, int backends) throws IOException {
        SendingRig rig = new SendingRig(directory, options, backends);
        rigs.add(rig);
        return rig;
    }

    /** Returns a rig with its files in a directory of its own, because a test needs several rigs. */
    SendingRig rig(SendOptions options, int backends, String name) throws IOException {
        SendingRig rig = new SendingRig(Files.createDirectories(directory.resolve(name)), options, backends);
        rigs.add(rig);
        return rig;
    }

    /** Returns a rig with one backend and a limit of the length of all answers under way. */
    SendingRig rigWithAnswers(SendOptions options, long maxAwaitedBytes) throws IOException {
        SendingRig rig = new SendingRig(directory, options, 1, maxAwaitedBytes);
        rigs.add(rig);
        return rig;
    }

    @AfterEach
    void closeRigs() throws IOException {
        for (SendingRig rig : rigs) {
            rig.close();
        }
    }
}
