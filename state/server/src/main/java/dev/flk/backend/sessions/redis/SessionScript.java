// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.sessions.redis;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/**
 * The script that reads and changes sessions in Redis. Redis runs each call atomically, so a change, its message and
 * its entry in the stream of changes exist together or not at all. It uses these keys:
 *
 * <table>
 * <caption>Keys</caption>
 * <tr><td>{@code session:ID}</td><td>hash: {@code version}, {@code updated_at}, {@code state}; has the TTL of the
 * session</td></tr>
 * <tr><td>{@code session-version:ID}</td><td>{@code VERSION KIND MILLIS}: the newest version; KIND is {@code live}
 * (until MILLIS), {@code deleted} or {@code expired} (at MILLIS). It outlives the session, so that a session that is
 * created again continues the count</td></tr>
 * <tr><td>{@code session-nonce:KEY-ID NONCE}</td><td>empty; marks the nonce of a signed request as used, for ten
 * minutes</td></tr>
 * <tr><td>{@code session-expiries}</td><td>sorted set: the ids of live sessions by the end of their lifetime</td></tr>
 * <tr><td>{@code session-changes}</td><td>stream: every change</td></tr>
 * <tr><td>{@code session-changes-count}</td><td>the number of changes so far</td></tr>
 * <tr><td>{@code session-changes-trimmed}</td><td>an id; the entries of the stream with lower ids were
 * removed</td></tr>
 * <tr><td>{@code session-changes-dead}</td><td>stream: changes that Postgres refused, with the fields {@code entry},
 * the id in the stream of changes, and {@code error}</td></tr>
 * <tr><td>{@code session-epoch}</td><td>{@code RUN-ID:RANDOM}: the run id of the Redis process whose sessions a backend
 * has completed, and a random number for this completion</td></tr>
 * <tr><td>{@code session-generation}</td><td>{@code REPLICATION-ID GENERATION}: the replication id of the server whose
 * sessions are complete, and the generation of the versions that it gives out, which Postgres counts</td></tr>
 * <tr><td>{@code session-restore}</td><td>{@code REPLICATION-ID RANDOM}: identifies a restore that has begun but not
 * finished</td></tr> </table>
 *
 * <p>The sessions are complete while the epoch and the replication id are those of the server. A restart changes the
 * run id; a failover changes the run id or, if the server becomes the primary again, the replication id; the loss of
 * all keys removes both. Sessions that are not complete are first restored from Postgres, if it is configured. A
 * restore begins a generation in Postgres, so that the next versions, which are greater than the generation times 2^32,
 * exceed all that were given out and lost. The mark {@code session-restore} exists from before the generation is begun
 * until the restore is finished; without it, the data was lost again meanwhile, and the restore is void.
 *
 * <p>The arguments are an operation, the epoch (empty: any for which the sessions are complete), the time in
 * milliseconds for which a version outlives its session, and the operation's own arguments. The first element of the
 * reply is {@code OK}, {@code CONFLICT}, {@code REPLAYED} or {@code EPOCH}. All keys of a call are declared ({@link
 * SessionKeys}); in a cluster, their names contain a hash tag. The channel {@code session-updates} gets each change as
 * a line of JSON, followed by a line with the state.
 */
final class SessionScript {
    /** The field of an entry of the stream that was put back from the dead stream; followers skip such an entry. */
    static final String REQUEUED = "requeued";
    /** The consumer group of the backends that write to Postgres. */
    static final String GROUP = "postgres";

    /**
     * The operations.
     *
     * <pre>
     * put      id, condition (-1: none, 0: must not exist), nonce or "", ttl, state -> version, now, expiry
     * delete   id, condition, nonce or "" -> version, now (0: there was no session)
     * over     the maximum number of ids -> the ids of sessions whose lifetime is over
     * expire   ids -> nothing; removes the sessions whose lifetime is over
     * sweep    the time for which the stream keeps entries that are not needed -> the number of changes that wait for
     *          Postgres, the number of changes that are being written, the age of the oldest of both, the length of
     *          the dead stream
     * load     ids -> the generation, then for each id: id, version, kind, millis, updated_at, state
     * head     -> the id of the newest entry of the stream
     * read     entry, count -> whether entries after it were removed, then the entries after it
     * take     consumer, count, "" for new entries or the idle time after which entries of other consumers are claimed
     *          -> the generation, the entries that this consumer has received (with claimed ones), the ids of claimed
     *          entries that no longer exist
     * dead     entry, error, 1 if the entry is no longer pending -> 1 if the entry was moved to the dead stream, 0 if
     *          it was no longer pending; no epoch
     * requeue  entries of the dead stream -> the number of entries that were put back into the stream, and of those
     *          without a change, which stay; no epoch
     * stale    generation -> 1 if the sessions were complete in this generation and have to be restored; no epoch
     * begin    random; epoch is the run id -> the mark of the restore, or "" if the sessions are complete; the
     *          generation
     * restore  mark, versions; epoch is the run id. Does nothing once the sessions are complete
     * finish   random, group or "", mark, generation; epoch is the run id -> the epoch
     * </pre>
     */
    private static final String TEXT = """
            local op, epoch, keep = ARGV[1], ARGV[2], tonumber(ARGV[3])
            local epochKey, generationKey, restoreKey, expiries, stream, countKey, trimmedKey, dead = unpack(KEYS, 1, 8)
            -- empty, or the tag of a cluster as in session:{flk}:ID and session-epoch:{flk}
            local tag = string.sub(epochKey, #'session-epoch' + 1)
            local time = redis.call('TIME')
            local now = time[1] * 1000 + math.floor(time[2] / 1000)
            local replication = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
            if not replication then error('FLK the server does not report its master_replid (INFO replication)') end
            local completeFor, generation =
                string.match(redis.call('GET', generationKey) or '- 0', '^(%S+) (%d+)$')
            generation = tonumber(generation or 0)
            local held = redis.call('GET', epochKey) or ''

            local channel = 'session-updates' .. (tag == ':{flk}' and '' or tag)

            local function text(number) return string.format('%.0f', number) end

            local function named(name, id) return name .. tag .. ':' .. id end

            local function last(id)
              local known = redis.call('GET', named('session-version', id))
              if not known then return 0, 'unknown', 0 end
              local version, kind, at = string.match(known, '^(%d+) (%a+) (%d+)$')
              if not version then
                error('FLK ' .. named('session-version', id) .. ' has an invalid value; delete the key')
              end
              return tonumber(version), kind, tonumber(at)
            end

            local function store(id, version, kind, at, expires, state)
              if kind == 'live' then
                local key = named('session', id)
                -- a server without memory only refuses a script whose first write needs some
                redis.call('SET', named('session-version', id), text(version) .. ' live ' .. text(expires),
                           'PX', text(expires - now + keep))
                redis.call('DEL', key)
                redis.call('HSET', key, 'version', text(version), 'updated_at', text(at), 'state', state)
                redis.call('PEXPIREAT', key, text(expires))
                redis.call('ZADD', expiries, text(expires), id)
              else
                redis.call('DEL', named('session', id))
                redis.call('SET', named('session-version', id), text(version) .. ' ' .. kind .. ' ' .. text(at),
                           'PX', keep)
                redis.call('ZREM', expiries, id)
              end
            end

            local function publish(id, version, kind, at, expires, state)
              redis.call('PUBLISH', channel, '{"id":' .. cjson.encode(id) .. ',"version":' .. text(version)
                  .. ',"kind":"' .. kind .. '","changed_at":' .. text(at) .. ',"expires_at":' .. text(expires)
                  .. '}\\n' .. state)
            end

            -- the version after another one; the versions of a generation follow all versions of earlier ones
            local function following(version) return math.max(version, generation * 4294967296) + 1 end

            local function change(id, version, kind, expires, state)
              store(id, version, kind, now, expires, state)
              local n = redis.call('INCR', countKey)
              redis.call('XADD', stream, '*', 'n', text(n), 'id', id, 'version', text(version), 'kind', kind,
                         'changed_at', text(now), 'expires_at', text(expires), 'state', state)
              publish(id, version, kind, now, expires, state)
            end

            local function expire(id)
              local version, kind, at = last(id)
              if kind == 'live' and at <= now then
                change(id, following(version), 'expired', 0, '')
              end
            end

            local function isBelow(one, other)
              local ms, seq = string.match(one, '^(%d+)-(%d+)$')
              local otherMs, otherSeq = string.match(other, '^(%d+)-(%d+)$')
              ms, seq, otherMs, otherSeq = tonumber(ms), tonumber(seq), tonumber(otherMs), tonumber(otherSeq)
              return ms < otherMs or (ms == otherMs and seq < otherSeq)
            end

            local function head()
              local newest = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)
              return newest[1] and newest[1][1] or redis.call('GET', trimmedKey) or '0-0'
            end

            local function count(entry)
              local found = redis.call('XRANGE', stream, entry, entry)
              return found[1] and tonumber(found[1][2][2]) or 0
            end

            local function isComplete()
              return completeFor == replication and string.sub(held, 1, #epoch + 1) == epoch .. ':'
            end

            -- whether the restore with this mark is not void
            local function isRestoring(mark)
              return mark == redis.call('GET', restoreKey) and string.match(mark, '^%x+') == replication
            end

            if op == 'begin' then
              if isComplete() then return {'OK', '', text(generation)} end
              local mark = redis.call('GET', restoreKey) or ''
              if not isRestoring(mark) then
                mark = replication .. ' ' .. ARGV[4]
                redis.call('SET', restoreKey, mark)
              end
              return {'OK', mark, text(generation)}
            end

            if op == 'restore' then
              if isComplete() then return {'OK'} end
              if not isRestoring(ARGV[4]) then return {'EPOCH'} end
              for i = 5, #ARGV, 6 do
                local id, version, kind = ARGV[i], tonumber(ARGV[i + 1]), ARGV[i + 2]
                local at, expires, state = tonumber(ARGV[i + 3]), tonumber(ARGV[i + 4]), ARGV[i + 5]
                if kind == 'live' and expires <= now then kind, at, state = 'expired', expires, '' end
                if last(id) < version then
                  store(id, version, kind, at, expires, state)
                  publish(id, version, kind, at, expires, state)
                end
              end
              return {'OK'}
            end

            if op == 'finish' then
              if ARGV[5] ~= '' then
                local made = redis.pcall('XGROUP', 'CREATE', stream, ARGV[5], '0', 'MKSTREAM')
                if type(made) == 'table' and made.err and not string.find(made.err, 'BUSYGROUP') then return made end
              end
              if not isComplete() then
                if not isRestoring(ARGV[6]) then return {'EPOCH'} end
                held = epoch .. ':' .. ARGV[4]
                redis.call('SET', generationKey, replication .. ' ' .. ARGV[7])
                redis.call('SET', epochKey, held)
                redis.call('DEL', restoreKey)
              end
              return {'OK', held}
            end

            if op == 'stale' then
              if completeFor ~= replication or generation ~= tonumber(ARGV[4]) then return {'OK', '0'} end
              redis.call('SET', generationKey, '- ' .. text(generation))
              return {'OK', '1'}
            end

            if op == 'requeue' then
              local moved, empty = 0, 0
              for i = 4, #ARGV do
                local found = redis.call('XRANGE', dead, ARGV[i], ARGV[i])
                local fields, hasId = {'n', ''}, false
                for j = 1, found[1] and #found[1][2] or 0, 2 do
                  local name = found[1][2][j]
                  hasId = hasId or name == 'id'
                  if name ~= 'n' and name ~= 'entry' and name ~= 'error' and name ~= 'requeued' then
                    fields[#fields + 1], fields[#fields + 2] = name, found[1][2][j + 1]
                  end
                end
                if hasId then
                  fields[2] = text(redis.call('INCR', countKey))
                  fields[#fields + 1], fields[#fields + 2] = 'requeued', ARGV[i]
                  redis.call('XADD', stream, '*', unpack(fields))
                  redis.call('XDEL', dead, ARGV[i])
                  moved = moved + 1
                elseif found[1] then
                  empty = empty + 1
                end
              end
              return {'OK', text(moved), text(empty)}
            end

            if op == 'dead' then
              local found = redis.call('XRANGE', stream, ARGV[4], ARGV[4])
              if redis.call('XACK', stream, 'postgres', ARGV[4]) == 0 and ARGV[6] ~= '1' then return {'OK', '0'} end
              local fields = found[1] and found[1][2] or {}
              fields[#fields + 1] = 'entry'
              fields[#fields + 1] = ARGV[4]
              fields[#fields + 1] = 'error'
              fields[#fields + 1] = ARGV[5]
              redis.call('XADD', dead, 'MAXLEN', '10000', '*', unpack(fields))
              return {'OK', '1'}
            end

            if completeFor ~= replication or epoch ~= '' and held ~= epoch then return {'EPOCH'} end

            if op == 'put' or op == 'delete' then
              local id, condition, nonce = ARGV[4], tonumber(ARGV[5]), ARGV[6]
              -- a signature is fresh from five minutes before its time until five minutes after it
              if nonce ~= '' and not redis.call('SET', named('session-nonce', nonce), '', 'NX', 'PX', 601000) then
                return {'REPLAYED'}
              end
              expire(id)
              local version, kind = last(id)
              local isLive = kind == 'live'
              if condition == 0 and isLive or condition > 0 and version ~= condition then
                return {'CONFLICT', text(version)}
              end
              if op == 'delete' then
                if not isLive then return {'OK', text(version), '0'} end
                change(id, following(version), 'deleted', 0, '')
                return {'OK', text(following(version)), text(now)}
              end
              local expires = now + tonumber(ARGV[7])
              -- leaves a version for the end of the session
              if following(version) % 4294967296 > 4294967293 then
                error('FLK session ' .. id .. ' has used all versions of a generation; restart Redis to begin another')
              end
              change(id, following(version), 'live', expires, ARGV[8])
              return {'OK', text(following(version)), text(now), text(expires)}
            end

            if op == 'take' then
              local lost = {}
              if ARGV[6] ~= '' then
                local claimed = redis.call('XAUTOCLAIM', stream, 'postgres', ARGV[4], ARGV[6], '0',
                                           'COUNT', ARGV[5], 'JUSTID')
                lost = claimed[3] or {} -- since Redis 7; an older Redis hands entries that do not exist to the consumer
              end
              local read = redis.call('XREADGROUP', 'GROUP', 'postgres', ARGV[4], 'COUNT', ARGV[5],
                                      'STREAMS', stream, ARGV[6] == '' and '>' or '0')
              return {'OK', text(generation), read and read[1][2] or {}, lost}
            end

            if op == 'load' then
              local reply = {'OK', text(generation)}
              for i = 4, #ARGV do
                local version, kind, at = last(ARGV[i])
                local held = redis.call('HMGET', named('session', ARGV[i]), 'updated_at', 'state')
                reply[#reply + 1] = {ARGV[i], text(version), kind, text(at), held[1] or '', held[2] or ''}
              end
              return reply
            end

            if op == 'head' then return {'OK', head()} end

            if op == 'read' then
              local trimmed = redis.call('GET', trimmedKey)
              return {'OK', trimmed and isBelow(ARGV[4], trimmed) and '1' or '0',
                      redis.call('XRANGE', stream, '(' .. ARGV[4], '+', 'COUNT', ARGV[5])}
            end

            if op == 'over' then
              return {'OK', redis.call('ZRANGEBYSCORE', expiries, '-inf', text(now), 'LIMIT', 0, ARGV[4])}
            end

            if op == 'expire' then
              for i = 4, #ARGV do
                expire(ARGV[i])
                local _, kind = last(ARGV[i])
                if kind ~= 'live' then redis.call('ZREM', expiries, ARGV[i]) end -- also an id whose version was removed
              end
              return {'OK'}
            end

            if op == 'sweep' then
              local refused = text(redis.call('XLEN', dead))
              if redis.call('EXISTS', stream) == 0 then return {'OK', text(now), '0', '0', '0', refused} end
              local newest = head()
              local bound = text(math.max(0, now - tonumber(ARGV[4]))) .. '-0'
              -- without a time to keep, all changes may go, also those with ids from before the clock was set back
              if ARGV[4] == '0' or isBelow(newest, bound) then bound = newest end
              local waiting, active, oldest = 0, 0, nil
              for _, group in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
                local fields = {}
                for i = 1, #group, 2 do fields[group[i]] = group[i + 1] end
                local delivered, pending = fields['last-delivered-id'], redis.call('XPENDING', stream, fields['name'])
                local needed = pending[1] > 0 and pending[2] or delivered
                if isBelow(needed, bound) then bound = needed end
                if fields['name'] == 'postgres' then
                  active = pending[1]
                  for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', stream, 'postgres')) do
                    local of = {}
                    for i = 1, #consumer, 2 do of[consumer[i]] = consumer[i + 1] end
                    if of['pending'] == 0 and of['idle'] > 3600000 then
                      redis.call('XGROUP', 'DELCONSUMER', stream, 'postgres', of['name'])
                    end
                  end
                  -- counts from the first change that is left, because a new group has read none
                  local first = redis.call('XRANGE', stream, '(' .. delivered, '+', 'COUNT', 1)[1]
                  waiting = first and count(newest) - count(first[1]) + 1 or 0
                  if active > 0 then
                    oldest = pending[2]
                  elseif waiting > 0 then
                    oldest = redis.call('XRANGE', stream, '(' .. delivered, '+', 'COUNT', 1)[1][1]
                  end
                end
              end
              if redis.call('XTRIM', stream, 'MINID', bound) > 0 then
                redis.call('SET', trimmedKey, bound)
              end
              local age = oldest and math.max(0, now - tonumber(string.match(oldest, '^%d+'))) or 0
              return {'OK', text(now), text(waiting), text(active), text(age), refused}
            end

            return redis.error_reply('FLK unknown operation ' .. op)
            """;

    static final byte[] BYTES = TEXT.getBytes(StandardCharsets.US_ASCII);
    static final String SHA1 = sha1(BYTES);

    private SessionScript() {}

    private static String sha1(byte[] bytes) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-1").digest(bytes));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JVM has SHA-1", e);
        }
    }
}
