// SPDX-License-Identifier: Apache-2.0
package dev.flk.copy.testing;

import dev.flk.copy.CopyTopic;
import java.util.List;
import java.util.OptionalLong;
import java.util.concurrent.CompletionStage;

/** A connection to a topic, of which a test replaces methods. */
public abstract class ForwardingTopic implements CopyTopic {
    private final CopyTopic topic;

    protected ForwardingTopic(CopyTopic topic) {
        this.topic = topic;
    }

    @Override
    public String identity() {
        return topic.identity();
    }

    @Override
    public String message(String what) {
        return topic.message(what);
    }

    @Override
    public String removalCommand(OptionalLong before) {
        return topic.removalCommand(before);
    }

    @Override
    public long begin() {
        return topic.begin();
    }

    @Override
    public long end() {
        return topic.end();
    }

    @Override
    public List<Entry> read(long from, long end) {
        return topic.read(from, end);
    }

    @Override
    public CompletionStage<Long> send(byte[] value) {
        return topic.send(value);
    }

    @Override
    public void trim(long before) {
        topic.trim(before);
    }

    @Override
    public void close() {
        topic.close();
    }
}
