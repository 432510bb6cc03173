// One object in one group (layout `local`), as it is built: what the simulation found where `size` takes steps as one.
//
// World: 3 nodes that mount, one home (orders, publishes and decides at once), 2 pages of 2 bytes.  A kernel: i_size, pages, attr_version,
// write() in four steps (copied, taken, answered, i_size raised), READ of a run of pages, GETATTR in three, SETATTR(size) whose answer is
// shown first and cuts pages later, notifies that run and return apart, FORGET.  A holder without twins (nothing is stored by mapping:
// `size` and `model` have that): copies, bars, floors, F7, rule 8, told, pushes, one frozen commit, headers, cuts.  A directory.
// Lanes between node and home keep no order among kinds, messages may come twice.  No crash, no loss: those are `model` and `size`.
#include "walk.h"

#include <algorithm>
#include <cstring>
#include <set>

using namespace std;

constexpr int N = 3, P = 2, B = 2, SZ = P * B, INF = 99;
enum Mut {
  NONE, ONLY_SETSIZE_WAITS, ONLY_GROWTH_WAITS, NO_WAIT, RENAME_UNLISTED, COPIES_NOT_LISTED, ZEROS_NOT_SEEN, PUSH_WHILE_CUTTING, TAIL_KEPT, TRUNCATOR_TOLD,
  OWN_HIDES, OLD_ATTR, HIGH_NOT_RAISED, ERROR_NOT_TOLD, NO_RULE8, NO_FLOOR, OVERLAY_ALWAYS, ASKED_BEFORE, NO_WHOLE, TOLD_LATE, LOOKUP_NOT_AWAITED, SHRINK_BESIDE_WRITE, END_OF_THE_ASK, OWED_AGAIN, VOIDED_IN_SETATTR, SAME_AS_TOLD, SHORT_IN_SETATTR, UNKNOWN_LEARNS, SHRINK_NOT_LOWERED,
  PUSH_IN_SETATTR, STAGED_UNCUT, CUTS_UNLISTED
};

struct Hdr {
  int ver = 0, size = 0, gen = 0;
  vector<pair<int, int>> cuts;  // generation, size
};
struct Tx {
  int id = 0, n = 0, att = 0, gen = 0, grow = 0, set = -1, unread = 0;
  u16 v[SZ] = {};
  bool k[SZ] = {};
  bool touches(int p) const { return k[p * B] || k[p * B + 1]; }
  bool empty() const { return set < 0 && !grow && !touches(0) && !touches(1); }
};
enum MT { FETCH, FETCHATTR, INVD, COMMIT, DATA, ATTR, INVAL, DECIDED, DONE, REFUSED };
struct Msg {
  MT t = FETCH;
  int page = 0, ver = 0, asked = 0, req = 0, mask = 0, hver = -1, gen = 0;
  bool contains = false, hdr = false;
  u16 b[B] = {};
  Hdr h;
  Tx tx;
  int replaced[P] = {-1, -1};
  bool covered[P] = {};
};
static int lane(MT t) { return t == FETCH || t == DATA ? 0 : t == FETCHATTR || t == ATTR ? 1 : t == INVD || t == INVAL ? 2 : 3; }
struct Owed {
  int n, ver, id;
};
struct Home {
  u16 b[SZ] = {};
  int pv[P] = {}, lsn = 0;
  Hdr h;
  int sh[P][N], hsh[N];  // -1: no sharer
  vector<Owed> owed[P], owedH;
  map<int, int> left;     // commits that wait
  map<int, Msg> outcome;  // as Done
};
struct KPage {
  int st = 0;  // 0 absent, 1 READ in flight, 2 cached
  u16 b[B] = {};
};
struct Kernel {
  bool alive = true;
  int isz = 0, attrv = 0;
  KPage p[P];
  int op = 0, opTo = 0;  // inode lock: 1 FSYNC, 2 SETATTR(size) (opTo: told when it came), 3 write()
  int setA = 0;          // SETATTR answer: 1 on its way, 2 shown, pages not cut yet, 3 cut, not all dropped yet
  bool setSame = false;
  int wp = 0, woff = 0, wlen = 0, locked = -1;  // write(): 1 copied, 2 taken, 3 answered
  bool wext = false;
  u16 wv[SZ] = {};
  int rd = 0, rdFirst = 0, rdN = 0, rdAttrv = 0;  // READ: 1 taken up, 2 answered
  int ga = 0, gaT = 0, gaSize = 0;                // GETATTR: 1 asked, 2 answered; 4 LOOKUP asked, 5 answered
  u16 rdB[SZ] = {};
  int rdEnd = 0;
};
enum JK { DROP, VOID, RAISE, SHRINK };
struct Job {
  int ticket, kind, mask, size;
  bool ran = false, push = false, resize = false, held = false;
};
struct Page {
  bool read = false, copy = false, whole = false, bar = false;
  int ver = 0, ticket = 0, owed = 0, floor = 0, notifies = 0, cNotify = -1, cRead = -1;
  bool got = false, contains = false;  // of the READ in flight
  int asked = 0, dgen = 0, dver = 0;
  u16 d[B] = {};
};
struct Holder {
  Hdr h, late;  // late: of an Inval that came while the header was unknown
  bool known = true;
  int told = 0, ksize = 0, khigh = 0, owedH = -1, answered = 0, cShrink = -1, shrunk = INF;
  bool wanted = false, grows = false, undone = false;
  int phase = 0, pushVer = 0, toldVer = -1, raised = 0, from = INF, ownFrom = INF;  // 1 voiding, 2 dropping
  Page p[P];
  vector<Job> jobs;
  Tx st;      // staged
  Tx fz;      // frozen; id 0: none
  set<int> settling;
  bool rsz = false, rszDecided = false, rszRaising = false;  // SETATTR in hand
  int rszTo = 0, rszId = 0, waitFor = 0;                      // FSYNC: highest id it waits for; -1 not frozen yet
  bool bg = false, fsync = false, setQ = false;
  int attrReq = 0;
  bool attrCame = false;
};
struct Cut {
  int gen, at, idx[SZ];
};

struct Model {
  static vector<string> mutants() {
    return {"none", "only-setsize-waits", "only-growth-waits", "no-change-no-wait", "unlisted-copy-renamed", "copies-not-listed", "zeros-beside-a-shrink-not-seen", "push-while-cutting",
            "short-read-tail-kept", "truncator-told", "own-growth-hides", "old-attr-learnt", "push-not-in-highest-size", "failed-setattr-not-told", "rewrite-race-ignored", "floor-ignored", "overlay-always",
            "asked-before-freeze", "whole-page-forgotten", "told-when-pushed", "lookup-not-awaited", "shrink-beside-write", "read-to-the-size-of-its-start", "answered-header-owed-again", "push-goes-on-in-setattr", "lower-size-not-pushed-after-setattr", "short-read-beside-setattr", "unknown-header-learnt-from-inval", "shrink-not-lowered", "push-during-setattr", "staged-not-cut", "header-without-cuts"};
  }
  static vector<string> rules() { return {"present"}; }
  mt19937_64& rng;
  Home g;
  Kernel k[N];
  Holder x[N];
  vector<Msg> up[N][4], down[N][4];
  int seq = 0, tick = 0, req = 0, ops = 0, faults = 0, focus;
  double resizes;
  double wn[N];
  // ghosts
  struct Val {
    int n, o, gen;
  };
  vector<Val> vals{{-1, -1, 0}};
  vector<u16> hist[SZ];
  int minVis[SZ] = {};
  vector<int> sizes;
  size_t minSize = 0;
  vector<Cut> cuts;
  u16 own[N][SZ] = {};
  map<int, map<int, int>> index;
  map<int, size_t> sizeIdx;
  map<int, Tx> txs;
  bool foreign[N] = {}, failed[N] = {};  // failed: its SETATTR was answered with an error, its kernel is being told

  explicit Model(mt19937_64& r) : rng(r) {
    for (auto& h : hist) h = {0};
    for (auto& w : wn) w = r() % 3 ? 1 : 0.15;
    focus = int(r() % 3) - 1;  // walks with few truncations, or about one page, see more of the rest
    resizes = r() % 3 ? 0.15 : 0.01;
    int s0 = int(r() % 3) * 2;
    g.h.size = s0;
    sizes = {s0};
    for (auto& s : g.sh) fill(s, s + N, -1);
    fill(g.hsh, g.hsh + N, 0);
    for (int a = 0; a < N; a++) {
      x[a].h = g.h;
      x[a].told = x[a].ksize = x[a].khigh = k[a].isz = s0;
    }
  }
  void flaw(int a, int o, const char* s) {
    W.say("!! n%d offset %d", a, o);
    W.fail(s);
  }
  void sendUp(int a, Msg m) { up[a][lane(m.t)].push_back(move(m)); }
  void sendDown(int a, Msg m) { down[a][lane(m.t)].push_back(move(m)); }
  static Msg mk(MT t) {
    Msg m;
    m.t = t;
    return m;
  }

  // ------------------------------------------------------------ home
  bool owes(const vector<Owed>& l, int a) const {
    return any_of(l.begin(), l.end(), [&](const Owed& o) { return o.n == a; });
  }
  void owe(vector<Owed>& l, int a, int ver, int id) {
    l.push_back({a, ver, id});
    g.left[id]++;
  }
  void publish(const Tx& t) {
    int ver = ++g.lsn, cut = INF;
    Msg done = mk(DONE);
    done.tx.id = t.id;
    done.ver = ver;
    txs[t.id] = t;
    for (int b = 0; b < N; b++)
      if (b != t.n) foreign[b] = true;
    for (int o = 0; o < SZ; o++)
      if (t.k[o]) {
        int p = o / B;
        if (done.replaced[p] < 0) {
          done.replaced[p] = g.pv[p];
          done.covered[p] = t.k[p * B] && t.k[p * B + 1];
        }
        if (vals[t.v[o]].n != t.n || vals[t.v[o]].o != o) W.fail("foreign byte committed");
        if (find(hist[o].begin(), hist[o].end(), t.v[o]) != hist[o].end()) W.fail("byte committed twice");
        for (auto& c : cuts)
          if (c.at <= o && c.gen > vals[t.v[o]].gen) flaw(t.n, o, "byte stored before a truncation published after it");
        g.b[o] = t.v[o];
        hist[o].push_back(t.v[o]);
        index[t.id][o] = int(hist[o].size()) - 1;
      }
    for (int p = 0; p < P; p++)
      if (done.replaced[p] >= 0) g.pv[p] = ver;
    bool changed = false;
    if (t.grow > g.h.size) g.h.size = t.grow, changed = true;
    if (t.set >= 0 && t.set != g.h.size) {
      changed = true;
      if (t.set < g.h.size) {
        cut = t.set;
        g.h.gen++;
        g.h.cuts.erase(remove_if(g.h.cuts.begin(), g.h.cuts.end(), [&](auto& c) { return c.second >= cut; }), g.h.cuts.end());
        g.h.cuts.push_back({g.h.gen, cut});
        Cut c{g.h.gen, cut, {}};
        for (int o = cut; o < SZ; o++) {
          g.b[o] = 0;
          hist[o].push_back(0);
          c.idx[o] = int(hist[o].size()) - 1;
          index[t.id][o] = c.idx[o];
        }
        cuts.push_back(c);
        for (int p = 0; p < P; p++)
          if ((p + 1) * B > cut) g.pv[p] = ver;
      }
      g.h.size = t.set;
    }
    if (changed) g.h.ver = ver, sizes.push_back(g.h.size);
    sizeIdx[t.id] = sizes.size() - 1;
    done.h = g.h;
    g.outcome[t.id] = done;
    W.say("home publishes tx%d of n%d as v%d: %d %d %d %d size %d gen %d", t.id, t.n, ver, g.b[0], g.b[1], g.b[2], g.b[3], g.h.size, g.h.gen);
    // directory
    for (int p = 0; p < P; p++)
      if (t.unread >> p & 1 && g.sh[p][t.n] < 0) g.sh[p][t.n] = 0;
    int mask[N] = {};
    for (int p = 0; p < P; p++) {
      bool cleared = cut < INF && (p + 1) * B > cut, written = done.replaced[p] >= 0;
      if (!cleared && !written) continue;
      for (int a = 0; a < N; a++) {
        int& has = g.sh[p][a];
        if (has < 0 || has >= ver) continue;
        if (cleared && a == t.n && MUT != TRUNCATOR_TOLD) {
          has = ver;
          continue;
        }
        if (written && !cleared && a == t.n) {
          bool adopted = done.covered[p] && (t.unread >> p & 1);
          if (adopted || (has == done.replaced[p] && !owes(g.owed[p], a))) {
            has = ver;
            continue;
          }
        }
        owe(g.owed[p], a, ver, t.id);
        mask[a] |= 1 << p;
        if (a == t.n && !cleared) foreign[a] = true;  // its own copy that no READ gave [D5]: a reason as well
      }
    }
    bool hdr[N] = {};
    if (changed) {
      for (int a = 0; a < N; a++) {
        if (g.hsh[a] < 0 || g.hsh[a] >= ver) continue;
        if (a == t.n && !owes(g.owedH, a)) {
          g.hsh[a] = ver;
          continue;
        }
        owe(g.owedH, a, ver, t.id);
        hdr[a] = true;
      }
    } else {
      bool waits = MUT == ONLY_SETSIZE_WAITS ? t.set >= 0 : MUT == ONLY_GROWTH_WAITS ? t.set >= 0 || t.grow : MUT != NO_WAIT;
      std::set<int> late;
      for (auto& o : g.owedH) late.insert(o.n);
      if (waits)
        for (int a : late) owe(g.owedH, a, g.h.ver, t.id);
    }
    for (int a = 0; a < N; a++)
      if (mask[a] || hdr[a]) {
        Msg m = mk(INVAL);
        m.ver = ver;
        m.mask = mask[a];
        m.hdr = hdr[a];
        m.h = g.h;
        sendDown(a, m);
      }
    if (g.left.count(t.id)) {
      done.t = DECIDED;
      sendDown(t.n, done);
    } else sendDown(t.n, done);
  }
  void settleOwed(vector<Owed>& l, int a, int upto) {
    for (size_t i = 0; i < l.size();) {
      if (l[i].n != a || l[i].ver > upto) {
        i++;
        continue;
      }
      int id = l[i].id;
      l.erase(l.begin() + long(i));
      if (--g.left[id] == 0) {
        g.left.erase(id);
        sendDown(txs[id].n, g.outcome[id]);
      }
    }
  }
  void atHome(int a, const Msg& m) {
    switch (m.t) {
      case FETCH: {
        Msg d = mk(DATA);
        d.page = m.page;
        d.asked = m.asked;
        d.req = m.req;
        d.contains = m.asked && g.outcome.count(m.asked);
        d.ver = g.pv[m.page];
        d.gen = g.h.gen;
        memcpy(d.b, g.b + m.page * B, sizeof d.b);
        g.sh[m.page][a] = max(g.sh[m.page][a], d.ver);
        sendDown(a, d);
        break;
      }
      case FETCHATTR: {
        Msg d = mk(ATTR);
        d.req = m.req;
        d.h = g.h;
        g.hsh[a] = max(g.hsh[a], g.h.ver);
        sendDown(a, d);
        break;
      }
      case INVD:
        for (int p = 0; p < P; p++)
          if (m.mask >> p & 1) {
            if (g.sh[p][a] < m.ver) g.sh[p][a] = -1;
            settleOwed(g.owed[p], a, m.ver);
          }
        if (m.hver >= 0) {
          if (g.hsh[a] >= 0) g.hsh[a] = max(g.hsh[a], m.hver);
          settleOwed(g.owedH, a, m.hver);
        }
        break;
      default: {
        if (g.outcome.count(m.tx.id)) {  // [C7] its outcome first
          Msg again = g.outcome[m.tx.id];
          if (g.left.count(m.tx.id)) again.t = DECIDED;
          sendDown(a, again);
        } else if (m.tx.gen < g.h.gen) {
          Msg r = mk(REFUSED);
          r.tx = m.tx;
          r.h = g.h;
          sendDown(a, r);
        } else publish(m.tx);
      }
    }
  }

  // ------------------------------------------------------------ holder
  void startJob(int a, int kind, int mask, int size, bool push, bool resize, bool held) {
    Holder& y = x[a];
    for (int p = 0; p < P; p++)
      if (mask >> p & 1) y.p[p].notifies++;
    y.jobs.push_back({++tick, kind, mask, size, false, push, resize, held});
    if (kind == DROP && !held)
      for (int p = 0; p < P; p++)
        if (mask >> p & 1 && y.p[p].bar) y.p[p].ticket = tick;
    W.say("n%d job %d %s pages %d size %d", a, tick, kind == DROP ? "drop" : kind == VOID ? "void" : kind == RAISE ? "raise" : "shrink", mask, size);
  }
  static int from(int o) {
    int m = 0;
    for (int p = 0; p < P; p++)
      if ((p + 1) * B > o) m |= 1 << p;
    return m;
  }
  void endBar(int a, int p) {
    Page& y = x[a].p[p];
    y.bar = false;
    y.ticket = 0;
    if (y.owed) invalidated(a, 1 << p, y.owed);
    y.owed = 0;
  }
  void invalidated(int a, int mask, int ver) {
    Msg m = mk(INVD);
    m.mask = mask;
    m.ver = ver;
    sendUp(a, m);
  }
  void jobDone(int a, size_t i) {
    Holder& y = x[a];
    Job j = y.jobs[i];
    y.jobs.erase(y.jobs.begin() + long(i));
    if (j.held) releaseWrite(a);
    int again = 0;
    for (int p = 0; p < P; p++) {
      if (!(j.mask >> p & 1)) continue;
      Page& q = y.p[p];
      q.notifies--;
      q.cNotify = y.answered;
      if (!q.bar || q.ticket != j.ticket) continue;
      if (q.whole) {
        q.whole = false;
        again |= 1 << p;
        continue;
      }
      q.copy = false;
      endBar(a, p);
    }
    if (again) startJob(a, DROP, again, 0, false, false, false);
    if (j.push) pushJobDone(a);
    if (j.resize && y.rsz) answerResize(a);
    resizeStep(a);
    pump(a);
  }
  void releaseWrite(int a) {
    if (k[a].op != 3 || k[a].wp != 2) return;
    x[a].answered++;
    k[a].wp = 3;
    for (auto& j : x[a].jobs) j.held = false;
  }
  void cutStage(Tx& t, int at) {
    for (int o = at; o < SZ; o++) t.k[o] = false;
    if (t.grow > at) t.grow = 0;
  }
  void learn(int a, const Hdr& h, bool mine) {
    Holder& y = x[a];
    if (y.known && h.ver <= y.h.ver) return;
    int cut = INF;
    if (y.known) {
      for (auto& c : h.cuts)
        if (c.first > y.h.gen) cut = min(cut, c.second);
      if (MUT == CUTS_UNLISTED && h.gen > y.h.gen) cut = h.size;
      int end = min(y.h.size, cut);
      bool news = !mine || h.size > min(y.told, y.ksize);
      int& f = news ? y.from : y.ownFrom;
      if (h.size > end) f = min(f, end);
    }
    bool first = !y.known;
    y.h = h;
    y.known = true;
    W.say("n%d learns header v%d size %d gen %d cut %d%s", a, h.ver, h.size, h.gen, cut, mine ? " (own)" : "");
    if (cut < INF && MUT != STAGED_UNCUT) {
      cutStage(y.st, cut);
      if (y.fz.id) cutStage(y.fz, cut);
    }
    int written = max(y.st.grow, y.fz.id ? y.fz.grow : 0);
    if (first) y.told = y.ksize = y.khigh = max({y.told, h.size, written});
    if (cut < INF) {
      y.told = max(min(y.told, cut), written);
      y.from = min(y.from, cut);
      y.wanted = true;
      startPush(a);
    } else if (h.size > y.told) {
      y.wanted = true;
      startPush(a);
    }
  }
  void noteShrink(Holder& y, int size) {
    y.shrunk = y.cShrink == y.answered ? min(y.shrunk, size) : size;
    y.cShrink = y.answered;
  }
  void startPush(int a) {
    Holder& y = x[a];
    if (!y.wanted || y.phase || (y.rsz && MUT != PUSH_IN_SETATTR) || !y.known) return;
    int size = y.h.size;
    if (k[a].setA && size > y.told && MUT != PUSH_WHILE_CUTTING) return;  // the kernel may still be cutting
    y.wanted = y.undone = false;
    y.grows = size > min(y.ksize, y.told) || (y.from < INF && size > y.from);
    if (y.grows) {
      y.phase = 1;
      startJob(a, VOID, 0, 0, true, false, false);
    } else if (y.from < INF) {
      y.phase = 2;
      y.pushVer = y.h.ver;
      int f = y.from;
      y.from = INF;
      y.ksize = min(y.ksize, y.told);
      y.khigh = y.told;
      noteShrink(y, y.told);
      startJob(a, MUT == SHRINK_NOT_LOWERED ? DROP : SHRINK, from(f), y.told, true, false, false);
    } else {
      y.pushVer = y.h.ver;
      finishPush(a);
    }
  }
  void pushJobDone(int a) {
    Holder& y = x[a];
    if (y.phase == 2) return finishPush(a);
    bool late = y.rsz || (k[a].setA && y.h.size > y.told);  // nothing told yet: after the answer, after the cut
    if (y.undone || (late && MUT != VOIDED_IN_SETATTR && MUT != PUSH_IN_SETATTR && MUT != PUSH_WHILE_CUTTING)) {
      y.phase = 0;
      y.wanted = true;
      return startPush(a);
    }
    int size = y.h.size, old = min({y.from, y.ksize, y.told});
    y.phase = 2;
    y.pushVer = y.h.ver;
    y.from = INF;
    if (MUT != TOLD_LATE) y.told = max(y.told, size);
    if (MUT != HIGH_NOT_RAISED) y.khigh = max(y.khigh, size);
    y.raised = size;
    startJob(a, RAISE, from(old), size, true, false, false);
  }
  void finishPush(int a) {
    Holder& y = x[a];
    y.phase = 0;
    if (y.undone) {
      y.undone = false;
      y.wanted = true;
      y.from = min({y.from, y.ksize, y.told});
      answerAttr(a);
      return startPush(a);
    }
    if (y.grows && y.h.ver == y.pushVer) {
      y.told = max(y.told, y.h.size);
      y.ksize = max(y.ksize, y.h.size);
      if (y.khigh > y.told) y.from = min(y.from, y.told), y.wanted = true;
    }
    if (y.owedH >= 0 && y.owedH <= y.pushVer) {
      Msg m = mk(INVD);
      m.hver = y.toldVer = y.pushVer;
      sendUp(a, m);
      y.owedH = -1;
    }
    if (y.owedH >= 0 || y.h.ver > y.pushVer) y.wanted = true;
    answerAttr(a);
    startPush(a);
    resizeStep(a);
  }
  void answerAttr(int a) {
    Holder& y = x[a];
    Kernel& z = k[a];
    if (!y.attrReq || !y.attrCame || (y.phase == 2 && y.grows) || y.rszRaising) return;
    int size = y.told;
    if (size < y.khigh || (y.phase == 2 && !y.grows)) noteShrink(y, size);
    y.attrReq = 0;
    z.gaSize = size;
    z.ga++;
    W.say("n%d attributes answered: %d", a, size);
  }
  void resizeStep(int a) {
    Holder& y = x[a];
    if (!y.rsz || y.rszRaising || !y.rszId) return;
    bool held = y.owedH >= 0;
    for (auto& p : y.p) held |= p.bar && p.owed;
    bool done = !y.settling.count(y.rszId) && y.rszDecided;
    if (!done && !(y.rszDecided && held)) return;
    if (!done && !foreign[a]) flaw(a, y.rszTo, "a truncation was answered at its decision though nobody else commits");
    int end = 0;
    for (int p = 0; p < P; p++)
      if ((p + 1) * B > y.rszTo && (y.p[p].copy || y.p[p].read)) end = (p + 1) * B;
    if (end <= y.rszTo) return answerResize(a);
    y.rszRaising = true;
    int beyond = max(end, y.khigh) + 1;
    if (MUT != HIGH_NOT_RAISED) y.khigh = max(y.khigh, beyond);
    startJob(a, RAISE, 0, beyond, false, true, false);
  }
  void answerResize(int a) {
    Holder& y = x[a];
    bool done = !y.settling.count(y.rszId);
    y.rszRaising = y.rsz = false;
    bool error = rng() % 12 == 0;  // the name store failed: the kernel keeps what it has
    int view = max(y.h.size, y.st.grow);
    if (y.fz.id) view = max(view, y.fz.grow);
    failed[a] |= error;
    if (error && MUT != ERROR_NOT_TOLD) {
      y.told = min(y.told, view);
      y.from = min(y.from, y.rszTo);
      y.wanted = true;
    } else {
      y.told = min(y.rszTo, view);
      if (y.told < y.rszTo) y.from = min(y.from, y.told), y.wanted = true;
      y.ksize = y.khigh = y.rszTo;
      if (y.phase == 2 && y.grows && MUT != HIGH_NOT_RAISED) y.khigh = max(y.khigh, y.raised);  // it may come after the answer
      if (y.phase) y.undone = true;
      if (y.h.size == y.told && (y.told == y.rszTo || MUT == SAME_AS_TOLD) && y.owedH < 0 && !y.phase) y.wanted = false, y.from = INF;
      else y.wanted = true;
    }
    W.say("n%d SETATTR(%d) answered%s%s", a, y.rszTo, done ? "" : " at its decision", error ? " with an error" : "");
    if (error) k[a].op = 0;
    else {
      k[a].setA = 1;
      if (done) ack(y.rszId);
    }
    answerAttr(a);
    if (k[a].rd == 1) tryAnswer(a);
    startPush(a);
    pump(a);
  }
  void ack(int id) {
    for (auto& [o, i] : index[id]) minVis[o] = max(minVis[o], i);
    if (txs[id].grow || txs[id].set >= 0) minSize = max(minSize, sizeIdx[id]);
  }
  void pump(int a) {
    Holder& y = x[a];
    if (!y.fz.id && (y.bg || y.fsync || y.setQ)) {
      Tx t = y.st;
      t.set = y.setQ && !y.fsync ? y.rszTo : -1;
      if (!t.empty()) {
        t.id = ++seq;
        t.n = a;
        y.fz = t;
        y.st = Tx();
        y.settling.insert(t.id);
      }
      int last = y.settling.empty() ? 0 : *y.settling.rbegin();
      if (y.fsync) y.waitFor = last, y.fsync = false;
      else if (y.setQ) y.rszId = last, y.setQ = false;
      y.bg = false;
      if (y.fz.id) submit(a);
    }
    if (k[a].op == 1 && y.waitFor >= 0 && (y.settling.empty() || *y.settling.begin() > y.waitFor)) {
      k[a].op = 0;
      W.say("n%d fsync returns", a);
      for (auto& [id, t] : txs)
        if (t.n == a && id <= y.waitFor && t.set < 0) ack(id);
      for (int o = 0; o < SZ; o++) {
        u16 v = snap[a][o];
        if (v && find(hist[o].begin(), hist[o].end(), v) == hist[o].end() && !killed(v)) flaw(a, o, "fsync returned 0, byte lost");
      }
      y.waitFor = -1;
    }
    resizeStep(a);
  }
  u16 snap[N][SZ] = {};
  void submit(int a) {
    Holder& y = x[a];
    Tx& t = y.fz;
    t.att++;
    t.gen = y.h.gen;
    t.unread = 0;
    for (int p = 0; p < P; p++)
      if (t.touches(p) && y.p[p].copy && !y.p[p].ver && MUT != COPIES_NOT_LISTED) t.unread |= 1 << p;
    Msg m = mk(COMMIT);
    m.tx = t;
    W.say("n%d commits tx%d gen %d set %d grow %d unread %d", a, t.id, t.gen, t.set, t.grow, t.unread);
    sendUp(a, m);
  }
  void fetchMissing(int a) {
    for (int p = k[a].rdFirst; p < k[a].rdFirst + k[a].rdN; p++) {
      Page& q = x[a].p[p];
      if (q.got || p * B >= k[a].rdEnd) continue;
      q.asked = x[a].fz.id;
      Msg m = mk(FETCH);
      m.page = p;
      m.asked = q.asked;
      m.req = rdNo[a];
      sendUp(a, m);
    }
  }
  int rdNo[N] = {};
  void given(int a, int p, int ver) {
    Page& q = x[a].p[p];
    q.copy = true;
    q.ver = ver;
    q.cRead = x[a].answered;
  }
  void tryAnswer(int a) {
    Kernel& z = k[a];
    Holder& y = x[a];
    bool again = false;
    for (int p = z.rdFirst; p < z.rdFirst + z.rdN; p++)
      if (p * B < z.rdEnd && !y.p[p].got) return;
    for (int p = z.rdFirst; p < z.rdFirst + z.rdN; p++) {
      if (p * B >= z.rdEnd) continue;
      Page& q = y.p[p];
      bool ok = q.dver >= q.floor || MUT == NO_FLOOR;
      if (y.fz.id && q.asked != y.fz.id && MUT != ASKED_BEFORE && (y.fz.touches(p) || y.fz.set >= 0)) ok = false;
      if (!ok) q.got = false, again = true;
    }
    if (again) return fetchMissing(a);
    // A short answer would lower the size that was raised for a SETATTR: then that drops nothing [1.16].
    if (y.rszRaising && z.rdEnd < (z.rdFirst + z.rdN) * B && MUT != SHORT_IN_SETATTR) return;
    if (z.rdEnd < min(y.told, (z.rdFirst + z.rdN) * B) && MUT != END_OF_THE_ASK) {  // grown by a write() since
      z.rdEnd = (y.told + B - 1) / B * B;
      return fetchMissing(a);
    }
    int end = min(z.rdEnd, (z.rdFirst + z.rdN) * B);
    int tail = 0;
    for (int p = z.rdFirst; p < z.rdFirst + z.rdN; p++) {
      Page& q = y.p[p];
      q.read = false;
      if (p * B >= z.rdEnd) {
        for (int j = 0; j < B; j++) z.rdB[p * B + j] = 0;
        if (MUT == TAIL_KEPT) continue;
        given(a, p, 0);
        q.bar = true;
        tail |= 1 << p;
        continue;
      }
      for (int j = 0; j < B; j++) {
        int o = p * B + j;
        u16 v = q.d[j];
        for (auto& c : y.h.cuts)
          if (c.first > q.dgen && o >= c.second) v = 0;
        if (y.fz.id && (!q.contains || MUT == OVERLAY_ALWAYS)) {
          if (y.fz.k[o]) v = y.fz.v[o];
          if (y.fz.set >= 0 && o >= y.fz.set) v = 0;
        }
        if (y.st.k[o]) v = y.st.v[o];
        if (o >= y.told) {
          if (v) y.from = min(y.from, y.told);
          v = 0;
        }
        z.rdB[o] = v;
      }
      q.got = false;
      given(a, p, q.dver);
    }
    z.rd = 2;
    z.rdEnd = z.setA == 1 && MUT != SHORT_IN_SETATTR ? (z.rdFirst + z.rdN) * B : end;
    W.say("n%d READ answered to %d: %d %d %d %d", a, end, z.rdB[0], z.rdB[1], z.rdB[2], z.rdB[3]);
    if (tail) startJob(a, DROP, tail, 0, false, false, false);
  }
  void thaw(int a, const Msg& m) {
    Holder& y = x[a];
    for (int p = 0; p < P; p++) {
      if (m.replaced[p] < 0) continue;
      Page& q = y.p[p];
      q.floor = max(q.floor, m.ver);
      if (!q.copy) continue;
      bool listed = (y.fz.unread >> p & 1) || MUT == RENAME_UNLISTED;
      if (q.ver ? q.ver == m.replaced[p] : m.covered[p] && listed) q.ver = m.ver;
    }
    if (y.fz.set >= 0 && m.h.gen > y.h.gen)
      for (int p = 0; p < P; p++)
        if ((p + 1) * B > y.fz.set) y.p[p].floor = max(y.p[p].floor, m.ver);
    y.fz = Tx();
    learn(a, m.h, true);
  }
  void atNode(int a, const Msg& m) {
    Holder& y = x[a];
    switch (m.t) {
      case DATA: {
        Page& q = y.p[m.page];
        W.say("n%d Data p%d v%d asked %d", a, m.page, m.ver, m.asked);
        if (k[a].rd != 1 || m.req != rdNo[a] || q.got || q.asked != m.asked || m.page * B >= k[a].rdEnd) break;
        q.got = true;
        q.contains = m.contains;
        q.dgen = m.gen;
        q.dver = m.ver;
        memcpy(q.d, m.b, sizeof q.d);
        tryAnswer(a);
        break;
      }
      case ATTR:
        if (m.req != y.attrReq && !(MUT == OLD_ATTR && (k[a].alive || k[a].ga == 4))) break;
        learn(a, m.h, false);
        if (y.late.ver > y.h.ver) learn(a, y.late, false);
        startPush(a);
        if (m.req == y.attrReq) y.attrCame = true;
        answerAttr(a);
        pump(a);
        break;
      case INVAL: {
        if (!k[a].alive && k[a].ga != 4 && k[a].ga != 5) {  // forgotten: the kernel has nothing
          Msg r = mk(INVD);
          r.mask = m.mask;
          r.ver = m.ver;
          if (m.hdr) r.hver = m.ver;
          sendUp(a, r);
          break;
        }
        if (m.hdr && !y.known && MUT != UNKNOWN_LEARNS) {  // older than what it is about to hear, perhaps
          if (m.ver > y.late.ver) y.late = m.h;
          y.owedH = max(y.owedH, m.ver);
          y.wanted = true;
        } else if (m.hdr) {
          learn(a, m.h, false);
          if (MUT != OWN_HIDES) y.from = min(y.from, y.ownFrom);
          y.ownFrom = INF;
          if (m.ver <= y.toldVer && MUT != OWED_AGAIN) {  // an earlier answer was of a newer one
            Msg r = mk(INVD);
            r.hver = m.ver;
            sendUp(a, r);
          } else {
            y.owedH = max(y.owedH, m.ver);
            y.wanted = true;
            startPush(a);
          }
        }
        int drops = 0;
        for (int p = 0; p < P; p++) {
          if (!(m.mask >> p & 1)) continue;
          Page& q = y.p[p];
          q.floor = max(q.floor, m.ver);
          if (!q.bar && (q.read || !q.copy)) {
            invalidated(a, 1 << p, m.ver);
            continue;
          }
          q.owed = max(q.owed, m.ver);
          if (q.bar) continue;
          q.bar = true;
          q.whole = false;
          drops |= 1 << p;
        }
        if (drops) startJob(a, DROP, drops, 0, false, false, false);
        resizeStep(a);
        break;
      }
      case DECIDED:
      case DONE:
        if (y.fz.id == m.tx.id) thaw(a, m);
        if (m.t == DONE) y.settling.erase(m.tx.id);
        if (y.settling.empty()) y.ownFrom = INF;
        if (y.rsz && y.rszId == m.tx.id) y.rszDecided = true;
        pump(a);
        break;
      default:  // Refused
        if (y.fz.id != m.tx.id || y.fz.att != m.tx.att) break;
        learn(a, m.h, false);
        if (!y.fz.empty()) submit(a);
        else {
          y.settling.erase(y.fz.id);
          y.fz = Tx();
          pump(a);
        }
    }
  }

  // ------------------------------------------------------------ steps
  enum { READ, RAPPLY, WRITE, WTAKE, WEND, WLATE, FSYNC, SETATTR, SAPPLY, SCUT, STAT, GAPPLY, EARLY, JRUN, JDONE, EVICT, FORGET, LOOKUP, TICK, UP, DOWN, DUP };
  bool canRun(int a, const Job& j) const {
    for (int p = 0; p < P; p++)
      if (j.mask >> p & 1 && (k[a].p[p].st == 1 || k[a].locked == p)) return false;
    // The answer of a first LOOKUP is on its way: the kernel has no inode yet to be told of anything.
    if (k[a].ga == 5 && MUT != LOOKUP_NOT_AWAITED) return false;
    // A write() in hand raises i_size when it returns; while an extending one is in hand no smaller size is taken.
    if (j.kind == SHRINK && k[a].op == 3 && MUT != SHRINK_BESIDE_WRITE) return false;
    return !((j.kind == RAISE || j.kind == SHRINK) && !j.resize && k[a].setA == 1);  // [Z9] the ctime is not shown yet
  }
  void enabled(vector<Act>& o, bool work, double wf) {
    for (int a = 0; a < N; a++) {
      Kernel& z = k[a];
      Holder& y = x[a];
      if (z.alive) {
        if (work && z.rd == 0)
          for (int p = 0; p < P; p++)
            for (int n = 1; p + n <= P; n++) {
              bool absent = true;
              for (int q = p; q < p + n; q++) absent &= z.p[q].st == 0 && z.locked != q;
              if (absent && (p + n - 1) * B < z.isz) o.push_back({READ, a, p, n, 0.3 * wn[a]});
            }
        if (work && z.op == 0 && ops < W.ops) {
          for (int s = 0; s < SZ + P; s++) {
            int p = s < SZ ? s / B : s - SZ;
            if (z.p[p].st != 1) o.push_back({WRITE, a, s, 0, focus < 0 || focus == p ? 0.1 : 0.01});
          }
          o.push_back({FSYNC, a, 0, 0, 0.3});
          o.push_back({SETATTR, a, int(rng() % (SZ + 1)), 0, resizes});
        }
        if (work && !y.fz.id && !y.bg && !y.st.empty()) o.push_back({EARLY, a, 0, 0, 0.1});
        if (work && z.ga == 0) o.push_back({STAT, a, 0, 0, 0.08});
        for (int p = 0; p < P; p++)
          if (work && z.p[p].st == 2 && !(z.op == 3 && z.woff / B == p)) o.push_back({EVICT, a, p, 0, 0.05});
        if (work && idle(a)) o.push_back({FORGET, a, 0, 0, 0.1});
      } else if (z.ga == 0) o.push_back({LOOKUP, a, 0, 0, 0.5});
      if (z.rd == 2) o.push_back({RAPPLY, a, 0, 0, 1});
      if (z.op == 3 && z.wp == 1) o.push_back({WTAKE, a, 0, 0, wn[a]});
      if (z.op == 3 && z.wp == 2 && z.locked >= 0) o.push_back({WLATE, a, 0, 0, 0.2});
      if (z.op == 3 && z.wp == 3) o.push_back({WEND, a, 0, 0, 1});
      if (z.setA == 1) o.push_back({SAPPLY, a, 0, 0, wn[a]});
      if (z.setA >= 2 && (z.setSame || z.rd == 0)) o.push_back({SCUT, a, 0, 0, wn[a]});
      if (z.ga == 2 || z.ga == 5) o.push_back({GAPPLY, a, 0, 0, wn[a]});
      for (size_t i = 0; i < y.jobs.size(); i++) {
        if (y.jobs[i].ran) o.push_back({JDONE, a, int(i), 0, wn[a]});
        else if (canRun(a, y.jobs[i])) o.push_back({JRUN, a, int(i), 0, wn[a]});
      }
      if (y.wanted && y.known && !y.phase && !y.rsz && !(z.setA && y.h.size > y.told && MUT != PUSH_WHILE_CUTTING)) o.push_back({TICK, a, 0, 0, 1});
      for (int l = 0; l < 4; l++) {
        if (work && faults < W.faults && !up[a][l].empty()) o.push_back({DUP, a, l, 0, wf});
        if (work && faults < W.faults && !down[a][l].empty()) o.push_back({DUP, a, l, 1, wf});
        if (!up[a][l].empty()) o.push_back({UP, a, l, 0, 1});
        if (!down[a][l].empty()) o.push_back({DOWN, a, l, 0, wn[a]});
      }
    }
  }
  bool idle(int a) const {
    const Holder& y = x[a];
    for (auto& p : y.p)
      if (p.bar || p.read) return false;
    return k[a].op == 0 && k[a].rd == 0 && k[a].ga == 0 && !k[a].setA && y.st.empty() && !y.fz.id && y.settling.empty() && y.jobs.empty() && y.owedH < 0 && !y.bg && !y.wanted;
  }
  void cutPages(int a, int s) {  // truncate_pagecache
    for (int p = 0; p < P; p++) {
      if (k[a].p[p].st != 2) continue;
      if (p * B >= s) k[a].p[p].st = 0;
      else
        for (int j = 0; j < B; j++)
          if (p * B + j >= s) k[a].p[p].b[j] = 0;
    }
  }
  void applySize(int a, int s) {
    Kernel& z = k[a];
    if (z.op == 3 && z.wext) return;  // ignored while an extending write() is in hand
    W.say("n%d i_size %d -> %d", a, z.isz, s);
    if (s != z.isz) cutPages(a, s);
    z.isz = s;
    z.attrv++;
  }
  void act(const Act& c) {
    int a = c.a;
    Kernel& z = k[a];
    Holder& y = x[a];
    switch (c.t) {
      case READ:
        z.rd = 1;
        z.rdFirst = c.b;
        z.rdN = c.c;
        z.rdAttrv = z.attrv;
        rdNo[a]++;
        W.say("n%d READ p%d+%d", a, c.b, c.c);
        for (int p = c.b; p < c.b + c.c; p++) {
          z.p[p].st = 1;
          Page& q = y.p[p];
          q.read = true;
          q.got = false;
          if (q.bar) endBar(a, p);
          q.copy = q.whole = false;
        }
        z.rdEnd = (y.told + B - 1) / B * B;
        if (c.b * B >= y.told) z.rdEnd = c.b * B, y.ksize = min(y.ksize, y.told);
        fetchMissing(a);
        tryAnswer(a);
        break;
      case RAPPLY: {
        z.rd = 0;
        for (int p = z.rdFirst; p < z.rdFirst + z.rdN; p++) {
          // Beyond a short answer: up to date, as zeros; but of nothing at all.
          bool tail = p * B >= z.rdEnd;
          z.p[p].st = tail && z.rdEnd == z.rdFirst * B ? 0 : 2;
          memcpy(z.p[p].b, z.rdB + p * B, sizeof z.p[p].b);
        }
        if (z.rdEnd < (z.rdFirst + z.rdN) * B && z.rdEnd < z.isz && z.rdAttrv == z.attrv && !(z.op == 3 && z.wext)) {
          W.say("n%d short READ: i_size %d -> %d", a, z.isz, z.rdEnd);
          z.isz = z.rdEnd;
          z.attrv++;
        }
        break;
      }
      case WRITE: {
        ops++;
        z.op = 3;
        z.wp = 1;
        bool whole = c.b >= SZ;
        z.woff = whole ? (c.b - SZ) * B : c.b;
        z.wlen = whole ? B : 1;
        z.wext = z.woff + z.wlen > z.isz;
        int p = z.woff / B;
        z.locked = z.p[p].st == 0 && !whole ? p : -1;
        if (whole) z.p[p].st = 2;
        for (int o = z.woff; o < z.woff + z.wlen; o++) {
          vals.push_back({a, o, 1000});
          z.wv[o] = u16(vals.size() - 1);
          if (z.p[p].st == 2) z.p[p].b[o % B] = z.wv[o];
        }
        W.say("n%d write() of %d from %d+%d copied", a, z.wv[z.woff], z.woff, z.wlen);
        break;
      }
      case WTAKE: {
        int end = z.woff + z.wlen, p = z.woff / B;
        for (int o = z.woff; o < end; o++) {
          vals[z.wv[o]].gen = y.h.gen;
          y.st.k[o] = true;
          y.st.v[o] = z.wv[o];
        }
        y.st.grow = max(y.st.grow, end);
        y.told = max(y.told, end);
        y.ksize = max(y.ksize, end);
        y.khigh = max(y.khigh, end);
        Page& q = y.p[p];
        bool race = (q.notifies > 0 || q.cNotify == y.answered) && q.cRead == y.answered && MUT != NO_RULE8;
        if (z.wlen == B && MUT != NO_WHOLE) {
          if (!q.copy) q.ver = 0;
          q.copy = q.whole = true;
        }
        bool cut = y.cShrink == y.answered && end > y.shrunk && MUT != ZEROS_NOT_SEEN;
        W.say("n%d WRITE taken%s%s", a, race ? ", race" : "", cut ? ", beside a shrink" : "");
        z.wp = 2;
        if (race || cut) startJob(a, DROP, 1 << p, 0, false, false, true);
        else releaseWrite(a);
        break;
      }
      case WLATE: releaseWrite(a); break;
      case WEND:
        for (int o = z.woff; o < z.woff + z.wlen; o++) own[a][o] = z.wv[o];
        z.isz = max(z.isz, z.woff + z.wlen);
        z.attrv++;
        z.op = z.wp = 0;
        z.locked = -1;
        W.say("n%d write() returns, i_size %d", a, z.isz);
        break;
      case FSYNC:
        ops++;
        z.op = 1;
        y.waitFor = -1;
        y.fsync = true;
        memcpy(snap[a], own[a], sizeof snap[a]);
        W.say("n%d fsync", a);
        pump(a);
        break;
      case SETATTR:
        ops++;
        z.op = 2;
        y.rsz = y.setQ = true;
        y.rszTo = c.b;
        y.rszId = 0;
        y.rszDecided = y.rszRaising = false;
        foreign[a] = false;
        z.opTo = y.told;
        for (int b = 0; b < N; b++)
          if (b != a && (x[b].fz.id || !x[b].settling.empty())) foreign[a] = true;
        foreign[a] |= owes(g.owedH, a) || owes(g.owed[0], a) || owes(g.owed[1], a);
        W.say("n%d SETATTR(size %d)", a, c.b);
        pump(a);
        break;
      case SAPPLY:
        z.setA = 2;
        z.setSame = z.isz == y.rszTo;
        W.say("n%d SETATTR applied: i_size %d -> %d", a, z.isz, y.rszTo);
        z.isz = y.rszTo;
        z.attrv++;
        break;
      case SCUT:
        if (!z.setSame && z.setA == 2) {  // then it drops what is left
          cutPages(a, y.rszTo);
          z.setA = 3;
          break;
        }
        if (!z.setSame)
          for (auto& p : z.p)
            if (p.st == 2) p.st = 0;
        z.setA = z.op = 0;
        for (int o = y.rszTo; o < SZ; o++)
          if (own[a][o] && vals[own[a][o]].gen < y.h.gen) own[a][o] = 0;
        W.say("n%d SETATTR: pages cut", a);
        break;
      case STAT:
        z.ga = 1;
        z.gaT = z.attrv;
        askAttr(a);
        break;
      case LOOKUP:
        z.ga = 4;
        askAttr(a);
        W.say("n%d LOOKUP", a);
        break;
      case GAPPLY:
        if (z.ga == 5) {
          z.alive = true;
          z.isz = z.gaSize;
          z.attrv++;
        } else if (z.gaT == z.attrv && z.setA == 0) applySize(a, z.gaSize);
        z.ga = 0;
        break;
      case EARLY:
        y.bg = true;
        pump(a);
        break;
      case JRUN: {
        Job& j = y.jobs[size_t(c.b)];
        j.ran = true;
        W.say("n%d job %d runs", a, j.ticket);
        z.attrv++;
        if (j.kind == RAISE) z.isz = max(z.isz, j.size);
        for (int p = 0; p < P; p++)
          if (j.mask >> p & 1) z.p[p].st = 0;
        if (j.kind == SHRINK) {
          noteShrink(y, y.told);
          applySize(a, y.told);
        }
        break;
      }
      case JDONE: jobDone(a, size_t(c.b)); break;
      case EVICT: z.p[c.b].st = 0; break;
      case FORGET: {
        W.say("n%d FORGET", a);
        x[a] = Holder();
        x[a].known = false;
        int v = z.attrv;
        z = Kernel();
        z.alive = false;
        z.attrv = v + 1;
        memset(own[a], 0, sizeof own[a]);
        break;
      }
      case TICK: startPush(a); break;
      case DUP: {  // [M1] a message comes twice, the second time behind others
        faults++;
        auto& l = c.c ? down[a][c.b] : up[a][c.b];
        Msg m = l.front();
        l.push_back(m);
        break;
      }
      case UP: {
        Msg m = up[a][c.b].front();
        up[a][c.b].erase(up[a][c.b].begin());
        atHome(a, m);
        break;
      }
      case DOWN: {
        Msg m = down[a][c.b].front();
        down[a][c.b].erase(down[a][c.b].begin());
        atNode(a, m);
        break;
      }
    }
  }
  void askAttr(int a) {
    x[a].attrReq = ++req;
    x[a].attrCame = false;
    Msg m = mk(FETCHATTR);
    m.req = req;
    sendUp(a, m);
  }

  // ------------------------------------------------------------ what must hold
  bool killed(u16 v) const {
    for (auto& c : cuts)
      if (c.at <= vals[v].o && c.gen > vals[v].gen) return true;
    return false;
  }
  void check() {
    for (int a = 0; a < N; a++) {
      Kernel& z = k[a];
      if (!z.alive) continue;
      bool mine = z.op == 2;  // its kernel has yet to be answered, or to drop what it had from before a growing one
      int lo = INF;
      for (size_t i = minSize; i < sizes.size(); i++) lo = min(lo, sizes[i]);
      if (!x[a].wanted && !x[a].phase && z.op != 2) failed[a] = false;
      if (!(mine && z.setA < 2) && z.isz < lo && !(z.op == 3) && !failed[a]) flaw(a, -1, "acknowledged growth not seen");
      for (int o = 0; o < SZ; o++) {
        if (o >= z.isz) {
          bool ok = (mine && z.setA < 2) || z.op == 3 || failed[a];
          for (size_t i = size_t(minVis[o]); i < hist[o].size(); i++) ok |= hist[o][i] == 0;
          if (!ok) flaw(a, o, "an acknowledged byte is beyond this node's size");
          continue;
        }
        KPage& p = z.p[o / B];
        if (p.st != 2) continue;
        u16 v = p.b[o % B], w = own[a][o];
        if (z.op == 3 && o >= z.woff && o < z.woff + z.wlen) continue;
        if ((mine && z.setA < 2 && o >= x[a].rszTo) || ((mine || failed[a]) && o >= z.opTo)) continue;  // its kernel has yet to be answered
        size_t from = size_t(minVis[o]);
        if (w) {
          auto it = find(hist[o].begin(), hist[o].end(), w);
          if (it != hist[o].end()) from = max(from, size_t(it - hist[o].begin()));
          else if (!killed(w)) {
            if (v != w) flaw(a, o, "own write() not seen");
            continue;
          } else {
            bool acked = false;
            for (auto& c : cuts) acked |= c.at <= o && c.gen > vals[w].gen && c.idx[o] <= minVis[o];
            if (v == w && !acked) continue;
          }
        }
        bool ok = false;
        for (size_t i = from; i < hist[o].size(); i++) ok |= hist[o][i] == v;
        if (!ok) flaw(a, o, "stale byte shown");
      }
    }
  }
  bool pending(string& why) {
    for (int a = 0; a < N; a++) {
      if (k[a].op) return why = "n" + to_string(a) + " op " + to_string(k[a].op), true;
      if (k[a].rd || k[a].ga || !k[a].alive) return why = "n" + to_string(a) + " READ or GETATTR", true;
      if (x[a].fz.id || !x[a].settling.empty()) return why = "n" + to_string(a) + " commit", true;
      if (!x[a].jobs.empty() || x[a].wanted || x[a].phase) return why = "n" + to_string(a) + " push", true;
      for (auto& p : x[a].p)
        if (p.bar) return why = "n" + to_string(a) + " bar", true;
    }
    if (!g.left.empty()) return why = "home", true;
    return false;
  }
  void finalCheck() {
    for (int a = 0; a < N; a++)
      if (k[a].isz != max(g.h.size, x[a].st.grow) && k[a].isz != x[a].told) flaw(a, -1, "the kernel's size is not the object's at the end");
  }
  void dump() {
    W.say("  home v%d size %d gen %d hv %d: %d %d %d %d", g.lsn, g.h.size, g.h.gen, g.h.ver, g.b[0], g.b[1], g.b[2], g.b[3]);
    for (int a = 0; a < N; a++) {
      Holder& y = x[a];
      W.say("  n%d isz %d told %d ksize %d khigh %d hv %d size %d gen %d owedH %d wanted %d phase %d from %d op %d setA %d jobs %zu", a, k[a].isz, y.told, y.ksize, y.khigh, y.h.ver, y.h.size, y.h.gen,
            y.owedH, y.wanted, y.phase, y.from, k[a].op, k[a].setA, y.jobs.size());
      for (int p = 0; p < P; p++)
        W.say("     p%d st %d bytes %d %d copy %d ver %d bar %d floor %d sharer %d", p, k[a].p[p].st, k[a].p[p].b[0], k[a].p[p].b[1], y.p[p].copy, y.p[p].ver, y.p[p].bar, y.p[p].floor, g.sh[p][a]);
    }
  }
};

int main(int c, char** v) { return walkMain<Model>(c, v); }
