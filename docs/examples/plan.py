"""Plan in a dream: find the actions that lead to a given picture, by the cross-entropy method.

    pip install '.[gym]'
    python docs/examples/plan.py [--candidates N] [--rounds N] [--horizon N]

The world is `dmlab-small`. The goal is what a walk of random actions sees in the end. Model predictive control: at each
step a vector environment tries `--candidates` (32) sequences of actions from where the agent is, `--rounds` (4) times,
each time drawn from how often the best eighth took which action (Rubinstein 1999; Chua et al. 2018, arXiv 1805.12114);
the first action of the best sequence is taken. Printed is how far the last picture is from the goal, mean squared error
of grey levels, beside standing still and random actions from the same start.
"""

import argparse

if __name__ == "__main__":  # before what takes long to import, or is not there
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candidates", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--horizon", type=int, default=6)
    given = parser.parse_args()
    CANDIDATES, ROUNDS, HORIZON = given.candidates, given.rounds, given.horizon

try:
    import gymnasium
    import numpy as np

    import videovq.gym
except ModuleNotFoundError as error:
    raise SystemExit(f"error: {error}; pip install '.[gym]'") from None

SEED = 0
world = {"pretrained": "dmlab-small", "temperature": 0.3}
real = gymnasium.make(videovq.gym.ID, **world).unwrapped  # here a dream as well; in earnest, your environment
dreams = gymnasium.make_vec(videovq.gym.ID, num_envs=CANDIDATES, **world)
actions, random = int(real.action_space.n), np.random.default_rng(SEED)


def distance(pictures, goal):
    """Mean squared error of grey levels of pictures (`... h w 3`) to one."""
    return ((pictures.astype(float) - goal) ** 2).mean(axis=(-3, -2, -1))


def plan(start, goal, horizon):
    """The best of all sequences tried: actions that lead from a state to a picture."""
    chances = np.full((horizon, actions), 1 / actions)
    best, nearest = None, np.inf
    for _ in range(ROUNDS):
        tried = np.stack([random.choice(actions, CANDIDATES, p=row) for row in chances], axis=1)
        dreams.set_state([start] * CANDIDATES)
        for column in tried.T:
            seen, *_ = dreams.step(column)
        apart = distance(seen, goal)
        elite = tried[np.argsort(apart)[: max(1, CANDIDATES // 8)]]
        chances = 0.9 * (elite[..., None] == np.arange(actions)).mean(axis=0) + 0.1 / actions
        if apart.min() < nearest:
            best, nearest = tried[apart.argmin()], apart.min()
    return best


first, _ = real.reset(seed=SEED)
start, walk = real.get_state(), random.integers(actions, size=HORIZON)
for action in walk:
    goal, *_ = real.step(int(action))


def walked(choose):
    """The last picture after HORIZON actions from the start."""
    real.set_state(start)
    for step in range(HORIZON):
        seen, *_ = real.step(int(choose(HORIZON - step)))
    return seen


players = {
    "standing still": lambda left: 0,
    "random actions": lambda left: random.integers(actions),
    "planned": lambda left: plan(real.get_state(), goal, left)[0],
}
print(f"the start is {distance(first, goal):.0f} from the goal")
for name, choose in players.items():
    print(f"{name:<15} ends {distance(walked(choose), goal):.0f} from the goal", flush=True)
